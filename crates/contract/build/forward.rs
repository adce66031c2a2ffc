//! Implementations of the REST traits that forward to the gRPC clients.

use std::fmt::Write as _;

use crate::model::{Rpc, Service, rust_path, snake_case};

const HEAD: &str = r#"
/// What decides which replica of a service gets a call: the first field that the path of the call fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutingKey<'a> {
    /// The field's name, such as `chat_id`.
    pub field: &'static str,
    /// Its value, not yet validated.
    pub value: &'a str,
}

/// Where forwarded calls go.
pub trait Upstream: Clone + Send + Sync + 'static {
    /// The transport of one call.
    type Transport: tonic::client::GrpcService<
            tonic::body::Body,
            ResponseBody: tonic::transport::Body<Data = bytes::Bytes, Error: Into<tonic::codegen::StdError> + Send> + Send + 'static,
            Error: Into<tonic::codegen::StdError>,
            Future: Send,
        > + Send
        + Sync
        + 'static;

    /// The transport for a call of `service`, such as `godwit.auth.v1.AuthService`.
    fn transport(&self, service: &'static str, key: Option<RoutingKey<'_>>) -> Self::Transport;
}

/// The largest answer taken from a service: a full page of the longest messages fits.
const ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// The gRPC request of a REST request. All headers become metadata: the server of REST passes only headers that it
/// made or vetted itself.
fn outgoing<T>(message: T, cx: &mut Context) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(cx.take_request_headers());
    request
}

/// The REST answer of a gRPC answer. A refusal's status with its details goes into the response headers in the wire
/// form of gRPC (`grpc-status`, `grpc-message`, `grpc-status-details-bin`), so that nothing of it is lost.
fn incoming<T>(answer: Result<tonic::Response<T>, tonic::Status>, cx: &mut Context) -> Result<T, Status> {
    answer.map(tonic::Response::into_inner).map_err(|status| {
        if status.add_header(cx.response_headers_mut()).is_err() {
            return Status::internal("the status of the answer cannot be passed on");
        }
        Status::new(Code::from_i32(status.code() as i32).unwrap_or(Code::Unknown), status.message())
    })
}
"#;

/// A Rust file with one forwarder a service and the transcoder over all of them.
pub fn render(services: &[Service]) -> String {
    let mut code = String::from(HEAD);
    for service in services {
        forwarder(&mut code, service);
    }
    transcoder(&mut code, services);
    code
}

fn forwarder(code: &mut String, service: &Service) {
    let name = &service.name;
    let path = rust_path(&service.full_name());
    let _ = write!(
        code,
        "\n/// Forwards REST calls of `{full}`.\n#[derive(Clone, Debug)]\npub struct {name}Forward<U>(pub U);\n\n\
         impl<U: Upstream> {path} for {name}Forward<U> {{\n",
        full = service.full_name()
    );
    for rpc in &service.rpcs {
        method(code, service, rpc);
    }
    code.push_str("}\n");
}

fn method(code: &mut String, service: &Service, rpc: &Rpc) {
    let key = match rpc.path_fields().next() {
        Some(field) => format!("Some(RoutingKey {{ field: {field:?}, value: &request.{field} }})"),
        None => "None".to_owned(),
    };
    let client =
        format!("{}::{}_client::{}Client", rust_path(&service.package), snake_case(&service.name), service.name);
    let _ = write!(
        code,
        "    async fn {method}(&self, request: {input}, cx: &mut Context) -> Result<{output}, Status> {{\n        \
             let transport = self.0.transport({service:?}, {key});\n        \
             let request = outgoing(request, cx);\n        \
             let mut client = {client}::new(transport).max_decoding_message_size(ANSWER_BYTES);\n        \
             incoming(client.{method}(request).await, cx)\n    }}\n",
        method = snake_case(&rpc.name),
        input = rust_path(&rpc.input),
        output = rust_path(&rpc.output),
        service = service.full_name(),
    );
}

fn transcoder(code: &mut String, services: &[Service]) {
    let types: Vec<_> = services.iter().map(|service| format!("{}Forward<U>", service.name)).collect();
    let values: Vec<_> = services.iter().map(|service| format!("{}Forward(upstream.clone())", service.name)).collect();
    let _ = write!(
        code,
        "\n/// The REST server of all services, forwarding to `U`.\npub type ForwardingTranscoder<U> = Transcoder<{}>;\n\n\
         /// The REST server that forwards to `upstream`.\npub fn forwarding_transcoder<U: Upstream>(upstream: &U) -> ForwardingTranscoder<U> {{\n    \
         Transcoder::new({})\n}}\n",
        types.join(", "),
        values.join(", ")
    );
}
