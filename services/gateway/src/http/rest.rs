use std::time::Instant;

use actix_web::HttpRequest;
use actix_web::web::{Data, Payload};
use godwit_contract::rest::RestRoute;
use godwit_rpc::{Caller, EdgeRequest};
use rest_over_grpc::transcoding::Transcode as _;
use tracing::Instrument as _;

use super::answer::Success;
use super::routes::Resolved;
use super::{Answer, Problem, body};
use crate::Error;
use crate::edge::{Edge, bearer};

/// Calls after which the caller's session is over: this gateway must not wait to be told.
const ENDING_SESSION: &[(&str, &str)] = &[("godwit.auth.v1.AuthService", "Logout")];

/// Serves every path that is not a page: all of REST.
pub async fn serve(request: HttpRequest, payload: Payload, edge: Data<Edge>) -> Answer {
    let started = Instant::now();
    let request_id = edge.request_id();
    let path = unversioned(request.path());
    let (template, outcome) = match edge.routes.resolve(request.method().as_str(), path) {
        Resolved::Route(route) => {
            let span = tracing::info_span!(
                "http",
                otel.name = format!("{} {}", route.verb, route.template),
                otel.kind = "server",
                http.request.method = route.verb,
                http.route = route.template,
                request.id = request_id,
            );
            let call = Call { edge: &edge, route, request: &request, path, request_id: &request_id };
            (route.template, call.serve(payload).instrument(span).await)
        }
        Resolved::OtherMethods(allow) => ("other", Err(Problem::method_not_allowed(allow))),
        Resolved::Nothing => ("none", Err(Problem::route_not_found())),
    };
    measure(&request, template, started, &outcome);
    Answer { request_id, outcome }
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
    request: &'a HttpRequest,
    path: &'a str,
    request_id: &'a str,
}

impl Call<'_> {
    async fn serve(&self, payload: Payload) -> Result<Success, Problem> {
        let _permit = self.edge.requests.try_acquire().map_err(|_| Error::Overloaded)?;
        let caller = self.admit().await?;
        let body = body::read(self.request, payload).await?;
        let edge_request =
            EdgeRequest { caller, request_id: self.request_id, client_address: self.edge.client_address(self.request) };
        let metadata = edge_request.metadata(&self.passed_headers());
        let target = match self.request.uri().query() {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.to_owned(),
        };
        let answer = self.edge.transcoder.try_transcode(self.route.verb, &target, metadata, &body).await;
        let success = Success::of_transcoder(answer, self.route)?;
        if let Some(caller) = caller.filter(|_| ENDING_SESSION.contains(&(self.route.service, self.route.rpc))) {
            self.edge.hub.revoke(caller.session_id);
        }
        Ok(success)
    }

    /// Who calls, once it is known that they may: nobody in particular on open routes, whatever token they send.
    async fn admit(&self) -> Result<Option<Caller>, Error> {
        if self.route.is_open {
            if let Some(address) = self.edge.client_address(self.request) {
                self.edge.limiter.take_for_address(address).await?;
            }
            return Ok(None);
        }
        let token = bearer(self.request.headers()).ok_or(Error::TokenMissing)?;
        let identity = self.edge.authenticator.authenticate(token).await?;
        self.edge.limiter.take_for_user(identity.caller.user_id).await?;
        Ok(Some(identity.caller))
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

    #[test]
    fn calls_that_end_a_session_are_in_the_contract() {
        for (service, rpc) in ENDING_SESSION {
            let known = godwit_contract::rest::REST_ROUTES.iter().any(|r| r.service == *service && r.rpc == *rpc);
            assert!(known, "{service}/{rpc}");
        }
    }
}
