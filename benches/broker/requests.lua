-- Sends the requests of a file in turn, one a line: path, tab, X-Auth-Token. Ends with one line of JSON.
local requests, next = {}, 0

function init(arguments)
    for line in io.lines(arguments[1]) do
        local path, key = line:match("^(%S+)\t(%S+)$")
        requests[#requests + 1] = wrk.format("GET", path, {["X-Auth-Token"] = key})
    end
end

function request()
    next = next % #requests + 1
    return requests[next]
end

function done(summary, latency)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format('{"requests": %d, "failed": %d, "seconds": %f, "p50": %f, "p90": %f, "p99": %f}\n',
        summary.requests, failed, summary.duration / 1e6,
        latency:percentile(50), latency:percentile(90), latency:percentile(99)))
end
