# shellcheck shell=bash
# What the scripts share. Source it from the repository's root, with `set -euo pipefail` in force.

# ruff leaves its cache beside what it looks at, also outside the repository; whoever comes next may not write there.
export RUFF_NO_CACHE=true

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Whom to run as what root must not or should not: PostgreSQL refuses root, and a service has no need of it.
ordinary_user() {
    local name
    for name in postgres nobody; do
        if id -u "$name" >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
    fail "There is neither a user 'postgres' nor 'nobody' to run as; start this as an ordinary user."
}

# Prints words that, put in front of a command, run it as the user $1, also after `&` and with signals reaching it:
# setpriv replaces itself, where su and runuser stay in between.
as_user() {
    local group
    group=$(id -g "$1")
    printf 'setpriv\n--reuid=%s\n--regid=%s\n--clear-groups\n--\n' "$(id -u "$1")" "$group"
}

# The directory of PostgreSQL's server programs, version 15 or newer; nothing if there is none. The same places, in the
# same order, as in src/cli/dev/cluster/binaries.rs.
postgres_binaries() {
    local directory version
    local -a candidates=()
    IFS=: read -r -a candidates <<<"${PATH:-}"
    candidates+=("$(pg_config --bindir 2>/dev/null || true)")
    while IFS= read -r directory; do
        candidates+=("$directory")
    done < <(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql* \
        /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin | sort -rV)
    candidates+=(/usr/bin /usr/local/bin /usr/local/pgsql/bin)
    for directory in "${candidates[@]}"; do
        [[ -x $directory/initdb && -x $directory/postgres && -x $directory/psql ]] || continue
        version=$("$directory/postgres" --version 2>/dev/null | sed -n 's/.*(PostgreSQL) \([0-9][0-9]*\).*/\1/p')
        if [[ -n $version ]] && ((version >= 15)); then
            echo "$directory"
            return
        fi
    done
}

# A port of 127.0.0.1 on which nobody listens at this moment.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Starts a PostgreSQL of one's own in the directory $1, which must be empty, with the superuser `luna` and a database of
# that name. With a port and a password, it listens on 127.0.0.1 and asks for the password; without, it has only a socket
# in that directory. Sets `postgres_pid`. The files are not synced: nobody needs them after a crash.
start_postgres() {
    local directory=$1 port=${2:-} password=${3:-} binaries user
    local -a as=() options=()
    binaries=$(postgres_binaries)
    [[ -n $binaries ]] || fail "PostgreSQL's server programs are missing; scripts/setup tells what to install."
    if ((EUID == 0)); then
        user=$(ordinary_user)
        mapfile -t as < <(as_user "$user")
        chown "$user" "$directory"
    fi
    chmod 700 "$directory"
    (
        cd "$directory" || exit
        printf '%s' "$password" >password
        options=(--pgdata=data --username=luna --auth=trust --encoding=UTF8 --locale=C --no-sync)
        if [[ -n $password ]]; then
            if ((EUID == 0)); then chown "$user" password; fi
            options+=(--auth-host=scram-sha-256 --pwfile=password)
        fi
        "${as[@]}" "$binaries/initdb" "${options[@]}" >initdb.log 2>&1 || { cat initdb.log >&2 && exit 1; }
        rm password
    )
    options=(-D "$directory/data" -k "$directory" -c fsync=off -c shared_buffers=32MB)
    if [[ -n $port ]]; then
        options+=(-c "listen_addresses=127.0.0.1" -p "$port")
    else
        options+=(-c "listen_addresses=")
    fi
    (cd "$directory" && exec "${as[@]}" "$binaries/postgres" "${options[@]}") >"$directory/postgres.log" 2>&1 </dev/null &
    postgres_pid=$!
    local attempt
    for attempt in {1..150}; do
        # `-d postgres`: it answers as soon as the server takes connections.
        if "$binaries/psql" -X -q -h "$directory" -p "${port:-5432}" -U luna -d postgres -c 'SELECT' >/dev/null 2>&1; then
            "$binaries/psql" -X -q -h "$directory" -p "${port:-5432}" -U luna -d postgres -c 'CREATE DATABASE luna' && return
        fi
        kill -0 "$postgres_pid" 2>/dev/null || break
        sleep 0.2
    done
    tail -n 20 "$directory/postgres.log" >&2
    fail "PostgreSQL did not start (attempt $attempt)."
}

# Ends what start_postgres started.
stop_postgres() {
    [[ -n ${postgres_pid:-} ]] || return 0
    kill -INT "$postgres_pid" 2>/dev/null || true
    wait "$postgres_pid" 2>/dev/null || true
    postgres_pid=''
}
