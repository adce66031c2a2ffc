use std::cell::OnceCell;
use std::time::Instant;

use actix_web::HttpRequest;
use actix_web::web::{Data, Payload};
use godwit_contract::rest::RestRoute;
use godwit_kernel::SessionId;
use godwit_rpc::{Caller, EdgeRequest};
use rest_over_grpc::transcoding::Transcode as _;
use tracing::Instrument as _;

use super::answer::Success;
use super::routes::Resolved;
use super::{Answer, Problem, body};
use crate::Error;
use crate::edge::{Edge, bearer};
use crate::limits::{Class, Quota};

/// Calls after which a session is over, and which: this gateway must not wait to be told. Other sessions that end with
/// them are told of by auth.
const ENDING_SESSION: &[(&str, &str, Ended)] = &[
    ("godwit.auth.v1.AuthService", "Logout", Ended::OfCaller),
    ("godwit.auth.v1.AuthService", "LogoutAll", Ended::OfCaller),
    ("godwit.auth.v1.AuthService", "RevokeSession", Ended::NamedBy("{session_id}")),
    ("godwit.auth.v1.UserService", "DeleteMe", Ended::OfCaller),
];

/// Which session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// That of the access token.
    OfCaller,
    /// The one at this place of the path: auth ends none but the caller's own.
    NamedBy(&'static str),
}

/// Serves every path that is not a page: all of REST.
pub async fn serve(request: HttpRequest, payload: Payload, edge: Data<Edge>) -> Answer {
    let started = Instant::now();
    let request_id = edge.request_id();
    let path = unversioned(request.path());
    let (template, outcome, quota) = match edge.routes.resolve(request.method().as_str(), path) {
        Resolved::Route(route) => {
            let span = tracing::info_span!(
                "http",
                otel.name = format!("{} {}", route.verb, route.template),
                otel.kind = "server",
                http.request.method = route.verb,
                http.route = route.template,
                request.id = request_id,
            );
            let class = Class::of(route);
            let quota = OnceCell::new();
            let call = Call { edge: &edge, route, class, request: &request, path, request_id: &request_id, quota };
            let outcome = call.serve(payload).instrument(span).await;
            (route.template, outcome, call.quota.into_inner())
        }
        Resolved::OtherMethods(allow) => ("other", Err(Problem::method_not_allowed(allow)), None),
        Resolved::Nothing => ("none", Err(Problem::route_not_found()), None),
    };
    measure(&request, template, started, &outcome);
    Answer { request_id, outcome, quota }
}

fn measure(request: &HttpRequest, template: &'static str, started: Instant, outcome: &Result<Success, Problem>) {
    let status = match outcome {
        Ok(success) => success.status,
        Err(problem) => problem.status(),
    };
    // The method is the client's word; only those of the contract are counted by name.
    let method = match request.method().as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    };
    let status = status.as_str().to_owned();
    metrics::counter!("gateway_http_requests_total", "method" => method, "route" => template, "status" => status)
        .increment(1);
    metrics::histogram!("gateway_http_request_seconds", "method" => method, "route" => template)
        .record(started.elapsed());
}

struct Call<'a> {
    edge: &'a Edge,
    route: &'static RestRoute,
    class: Class,
    request: &'a HttpRequest,
    path: &'a str,
    request_id: &'a str,
    /// What the call was counted with, once it was.
    quota: OnceCell<Quota>,
}

impl Call<'_> {
    async fn serve(&self, payload: Payload) -> Result<Success, Problem> {
        let place = self.edge.rooms.of(self.class).place(&*self.edge.entropy)?;
        let caller = self.admit().await?;
        let body = body::read(self.request, payload).await?;
        let _turn = place.turn(&*self.edge.entropy).await?;
        let edge_request =
            EdgeRequest { caller, request_id: self.request_id, client_address: self.edge.client_address(self.request) };
        let metadata = edge_request.metadata(&self.passed_headers());
        let target = match self.request.uri().query() {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.to_owned(),
        };
        let answer = self.edge.transcoder.try_transcode(self.route.verb, &target, metadata, &body).await;
        let success = Success::of_transcoder(answer, self.route)?;
        if let Some(session) = caller.and_then(|caller| ended_by(self.route, self.path, &caller)) {
            self.edge.hub.revoke(session);
        }
        Ok(success)
    }

    /// Who calls, once it is known that they may: nobody in particular on open routes, whatever token they send.
    async fn admit(&self) -> Result<Option<Caller>, Error> {
        if self.route.is_open {
            if let Some(address) = self.edge.client_address(self.request) {
                self.count(self.edge.limiter.take_for_address(self.class, address).await)?;
            }
            return Ok(None);
        }
        let token = bearer(self.request.headers()).ok_or(Error::TokenMissing)?;
        let identity = self.edge.authenticator.authenticate(token).await?;
        self.count(self.edge.limiter.take_for_caller(self.class, &identity.caller).await)?;
        Ok(Some(identity.caller))
    }

    /// Notes what the answer tells of the limit.
    fn count(&self, quota: Quota) -> Result<(), Error> {
        let quota = self.quota.get_or_init(|| quota);
        quota.retry_after.map_or(Ok(()), |retry_after| Err(Error::RateLimited { retry_after }))
    }

    /// The headers of the client that may reach a service, as `EdgeRequest` knows them.
    fn passed_headers(&self) -> http::HeaderMap {
        let mut headers = http::HeaderMap::new();
        let name = http::HeaderName::from_static("idempotency-key");
        if let Some(key) = self.request.headers().get(name.as_str())
            && let Ok(key) = http::HeaderValue::from_bytes(key.as_bytes())
        {
            headers.insert(name, key);
        }
        headers
    }
}

/// The session that a call of `caller` ends when it succeeds. An id that is written in no usual way is left to what auth
/// tells.
fn ended_by(route: &RestRoute, path: &str, caller: &Caller) -> Option<SessionId> {
    let is_route = |(service, rpc, _): &&(&str, &str, Ended)| *service == route.service && *rpc == route.rpc;
    match ENDING_SESSION.iter().find(is_route)?.2 {
        Ended::OfCaller => Some(caller.session_id),
        Ended::NamedBy(place) => {
            let (_, named) = route.template.split('/').zip(path.split('/')).find(|(part, _)| *part == place)?;
            named.parse().ok()
        }
    }
}

/// The path without `/v1`.
fn unversioned(path: &str) -> &str {
    match path.strip_prefix("/v1") {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_version_segment_is_taken_off() {
        for (path, expected) in
            [("/v1/chats", "/chats"), ("/chats", "/chats"), ("/v1chats", "/v1chats"), ("/v1", "/v1")]
        {
            assert_eq!(unversioned(path), expected);
        }
        assert_eq!(unversioned("/v1/v1/chats"), "/v1/chats");
    }

    fn route(service: &str, rpc: &str) -> &'static RestRoute {
        let known = godwit_contract::rest::REST_ROUTES.iter().find(|r| r.service == service && r.rpc == rpc);
        known.unwrap_or_else(|| panic!("{service}/{rpc} is not in the contract"))
    }

    #[test]
    fn calls_that_end_a_session_are_in_the_contract() {
        for (service, rpc, ended) in ENDING_SESSION {
            let route = route(service, rpc);
            assert!(!route.is_open, "{rpc}");
            if let Ended::NamedBy(place) = ended {
                assert!(route.template.split('/').any(|part| part == *place), "{rpc}");
            }
        }
    }

    #[test]
    fn a_call_ends_the_session_of_its_caller_or_the_one_that_it_names() {
        use godwit_kernel::{DeviceId, SystemClock, SystemEntropy, UserId};
        let [mine, other] = [(); 2].map(|()| SessionId::generate(&SystemClock, &SystemEntropy));
        let user_id = UserId::generate(&SystemClock, &SystemEntropy);
        let device_id = DeviceId::generate(&SystemClock, &SystemEntropy);
        let caller = Caller { user_id, session_id: mine, device_id };
        let auth = "godwit.auth.v1.AuthService";
        let named = format!("/auth/sessions/{other}");
        for (rpc, path, ended) in [
            ("LogoutAll", "/auth/logout-all", Some(mine)),
            ("RevokeSession", named.as_str(), Some(other)),
            ("RevokeSession", "/auth/sessions/nonsense", None),
            ("ListSessions", "/auth/sessions", None),
        ] {
            assert_eq!(ended_by(route(auth, rpc), path, &caller), ended, "{rpc} {path}");
        }
    }
}
