//! Where an address in an answer leads.

use url::Url;

/// A reference in an answer to a request for `asked`, made absolute; `None` if it leads out of what is below `address`, which has
/// no slash at the end. Climbing, other hosts in disguise and other schemes are seen as a browser would see them.
#[must_use]
pub fn below(address: &str, asked: &str, reference: &str) -> Option<String> {
    let here = Url::parse(address).ok()?;
    let target = Url::parse(&format!("{address}/{asked}")).ok()?.join(reference).ok()?;
    let rest = target.as_str().strip_prefix(here.as_str().trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with(['/', '?', '#'])).then(|| target.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_is_found_and_nothing_else() {
        for address in ["https://luna.example.com/v1/qpu/0190", "https://dwave.example.com"] {
            let here = |reference: &str| below(address, "sapi/v2/problems/a?x=1", reference);
            for (reference, path) in
                [("b", "/sapi/v2/problems/b"), ("?y=2", "/sapi/v2/problems/a?y=2"), ("../c/", "/sapi/v2/c/")]
            {
                assert_eq!(here(reference).unwrap(), format!("{address}{path}"));
            }
            assert_eq!(here(&format!("{address}/x")).unwrap(), format!("{address}/x"));
            let disguised =
                ["@evil.example.com/", ".evil.example.com/", ":81/", "0/"].map(|more| format!("{address}{more}"));
            let elsewhere =
                ["//evil.example.com", "https:evil", "/\\\\evil.example.com", "data:,x", "http://luna.example.com/"];
            for reference in disguised.iter().map(String::as_str).chain(elsewhere).filter(|one| *one != "https:evil") {
                assert!(here(reference).is_none_or(|found| found.starts_with(&format!("{address}/"))), "{reference}");
            }
        }
        let deep = |reference: &str| below("https://luna.example.com/v1/qpu/0190", "problems/a", reference);
        for climbing in
            ["../../me", "%2e%2e/%2E./../x", "/v1/me", "https://luna.example.com/v1/qpu/0190/../0191", "..\\..\\x"]
        {
            assert_eq!(deep(climbing), None, "{climbing}");
        }
    }
}
