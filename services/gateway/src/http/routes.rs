use std::cmp::Reverse;

use godwit_contract::rest::{REST_ROUTES, RestRoute};

/// The routes of REST, to know what a request is before anything is done for it: who may call it, and what its
/// success is. The transcoder finds the RPC by itself; a test holds both to the same choice.
pub struct Routes {
    patterns: Vec<Pattern>,
}

struct Pattern {
    segments: Vec<Segment>,
    route: &'static RestRoute,
}

/// Ordered: a literal is more specific than a variable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Variable,
    Literal(&'static str),
}

/// What a path and method come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Resolved {
    /// An RPC.
    Route(&'static RestRoute),
    /// A path with these methods, separated by commas.
    OtherMethods(String),
    /// No path.
    Nothing,
}

impl Routes {
    /// Those of the contract.
    pub fn of_contract() -> Self {
        let mut patterns: Vec<_> = REST_ROUTES.iter().map(Pattern::new).collect();
        patterns.sort_by_key(|pattern| Reverse(pattern.specificity()));
        Self { patterns }
    }

    /// The most specific route.
    pub fn resolve(&self, verb: &str, path: &str) -> Resolved {
        let mut matching = self.patterns.iter().filter(|pattern| pattern.matches(path)).map(|pattern| pattern.route);
        if let Some(route) = matching.clone().find(|route| route.verb == verb) {
            return Resolved::Route(route);
        }
        let Some(first) = matching.next() else { return Resolved::Nothing };
        let mut verbs = vec![first.verb];
        verbs.extend(matching.map(|route| route.verb));
        verbs.sort_unstable();
        verbs.dedup();
        Resolved::OtherMethods(verbs.join(", "))
    }
}

impl Pattern {
    fn new(route: &'static RestRoute) -> Self {
        let segments = route
            .template
            .split('/')
            .map(|segment| if segment.starts_with('{') { Segment::Variable } else { Segment::Literal(segment) });
        Self { segments: segments.collect(), route }
    }

    fn matches(&self, path: &str) -> bool {
        let mut given = path.split('/');
        let fits = self.segments.iter().all(|segment| match (segment, given.next()) {
            (Segment::Literal(literal), Some(given)) => *literal == given,
            (Segment::Variable, Some(given)) => !given.is_empty(),
            (_, None) => false,
        });
        fits && given.next().is_none()
    }

    /// Literal or not, segment by segment from the left.
    fn specificity(&self) -> Vec<bool> {
        self.segments.iter().map(|segment| matches!(segment, Segment::Literal(_))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use futures_util::FutureExt as _;
    use godwit_contract::rest::{RoutingKey, Upstream, forwarding_transcoder};
    use parking_lot::Mutex;
    use rest_over_grpc::transcoding::Transcode as _;
    use tonic::Status;
    use tonic::body::Body;
    use tonic::codegen::{BoxFuture, Context, Poll, Service};

    use super::*;

    /// Notes which RPC is called, and refuses it.
    #[derive(Clone, Default)]
    struct Notes(Arc<Mutex<Option<String>>>);

    impl Upstream for Notes {
        type Transport = Self;

        fn transport(&self, _: &'static str, _: Option<RoutingKey<'_>>) -> Self {
            self.clone()
        }
    }

    impl Service<http::Request<Body>> for Notes {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<Self::Response, Infallible>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<Body>) -> Self::Future {
            *self.0.lock() = Some(request.uri().path().trim_start_matches('/').to_owned());
            Box::pin(std::future::ready(Ok(Status::unimplemented("").into_http())))
        }
    }

    fn transcoded(verb: &str, path: &str) -> Option<String> {
        let notes = Notes::default();
        let transcoder = forwarding_transcoder(&notes);
        let body = if verb == "GET" || verb == "DELETE" { "" } else { "{}" };
        transcoder.try_transcode(verb, path, http::HeaderMap::new(), body.as_bytes()).now_or_never().unwrap();
        notes.0.lock().clone()
    }

    fn resolved(routes: &Routes, verb: &str, path: &str) -> Option<String> {
        match routes.resolve(verb, path) {
            Resolved::Route(route) => Some(format!("{}/{}", route.service, route.rpc)),
            Resolved::OtherMethods(_) | Resolved::Nothing => None,
        }
    }

    /// Every mixture of the segments of two templates of one length, with a variable filled by a word or by a literal
    /// that stands there in another template.
    fn paths() -> Vec<String> {
        let templates: Vec<Vec<&str>> = REST_ROUTES.iter().map(|route| route.template.split('/').collect()).collect();
        let mut paths = Vec::new();
        for one in &templates {
            for other in templates.iter().filter(|other| other.len() == one.len()) {
                let mixed = one.iter().zip(other).map(|(a, b)| match (a.starts_with('{'), b.starts_with('{')) {
                    (true, true) => "word",
                    (true, false) => b,
                    (false, _) => a,
                });
                paths.push(mixed.collect::<Vec<_>>().join("/"));
            }
        }
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    #[test]
    fn the_transcoder_calls_what_the_table_says() {
        let routes = Routes::of_contract();
        for path in paths() {
            for verb in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                assert_eq!(resolved(&routes, verb, &path), transcoded(verb, &path), "{verb} {path}");
            }
        }
    }

    #[test]
    fn what_the_table_does_not_know_the_transcoder_is_not_asked() {
        let routes = Routes::of_contract();
        for path in ["", "/", "//", "/users/", "/users/me/", "/users//presence", "/auth", "/auth/login/x", "auth/login"]
        {
            assert_eq!(routes.resolve("GET", path), Resolved::Nothing, "{path:?}");
        }
    }

    #[test]
    fn a_path_with_other_methods_names_them() {
        let routes = Routes::of_contract();
        assert_eq!(routes.resolve("PUT", "/chats"), Resolved::OtherMethods("GET, POST".to_owned()));
        assert_eq!(routes.resolve("GET", "/auth/login"), Resolved::OtherMethods("POST".to_owned()));
        assert_eq!(routes.resolve("HEAD", "/users/me"), Resolved::OtherMethods("DELETE, GET, PATCH".to_owned()));
    }
}
