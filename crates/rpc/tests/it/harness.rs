use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use godwit_contract::presence::v1::presence_internal_service_client::PresenceInternalServiceClient;
use godwit_contract::presence::v1::presence_internal_service_server::{
    PresenceInternalService, PresenceInternalServiceServer,
};
use godwit_contract::presence::v1::{ReportNodeRequest, ReportNodeResponse};
use godwit_rpc::{
    Caller, Channel, Directory, InvalidField, LocalRoutes, ServerLayer, ServerOptions, Target, to_status,
};
use tokio::net::TcpListener;
use tokio::runtime::RuntimeFlavor;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// How a test reaches its server.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    Tcp,
    Local,
}

pub const WAYS: [Way; 2] = [Way::Tcp, Way::Local];

/// A service whose behaviour the `node_id` of a request picks.
#[derive(Clone, Default)]
pub struct Puppet {
    /// Lets a call that is `held` go.
    pub release: Arc<Notify>,
    /// Told when a call is `held`.
    pub held: Arc<Notify>,
    /// For calls that make a call themselves.
    onward: Arc<OnceLock<Channel>>,
}

#[tonic::async_trait]
impl PresenceInternalService for Puppet {
    async fn report_node(&self, request: Request<ReportNodeRequest>) -> Result<Response<ReportNodeResponse>, Status> {
        let answer = |lease_ms| Ok(Response::new(ReportNodeResponse { lease_ms, resend_all: false }));
        match request.get_ref().node_id.as_str() {
            "lease" => answer(7),
            "refuse" => Err(to_status(InvalidField::new("joined_user_ids", "too many"))),
            "panic" => panic!("the puppet breaks"),
            "hang" => std::future::pending().await,
            "hold" => {
                self.held.notify_one();
                self.release.notified().await;
                answer(1)
            }
            "runtime" => {
                let is_server = tokio::runtime::Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
                Ok(Response::new(ReportNodeResponse { lease_ms: 1, resend_all: is_server }))
            }
            "caller" => Caller::of(&request).and_then(|_| answer(2)),
            "request-id" => match request.metadata().get("godwit-request-id") {
                Some(id) if id == "r7" => answer(3),
                _ => Err(Status::not_found("no request id")),
            },
            "onward" => {
                let next = request.get_ref().joined_user_ids.first().cloned().unwrap_or_default();
                let mut client = PresenceInternalServiceClient::new(self.onward.get().unwrap().clone());
                client.report_node(asked(&next)).await
            }
            other => Err(Status::unimplemented(other.to_owned())),
        }
    }
}

pub fn asked(node_id: &str) -> ReportNodeRequest {
    ReportNodeRequest { node_id: node_id.to_owned(), ..ReportNodeRequest::default() }
}

/// A running server and the way to it.
pub struct Stage {
    pub client: PresenceInternalServiceClient<Channel>,
    pub puppet: Puppet,
    _server: JoinSet<()>,
}

pub async fn stage(way: Way, options: ServerOptions) -> Stage {
    let puppet = Puppet::default();
    let routes = Routes::new(PresenceInternalServiceServer::new(puppet.clone()));
    let layer = ServerLayer::new(options);
    let mut server = JoinSet::new();
    let directory = match way {
        Way::Local => {
            let local = LocalRoutes::new();
            local.bind(routes, &layer);
            Directory::new(local, [Target::Presence])
        }
        Way::Tcp => {
            let address = serve(&mut server, routes, layer).await;
            remote(&address.to_string())
        }
    };
    let channel = directory.channel(Target::Presence);
    assert!(puppet.onward.set(channel.clone()).is_ok());
    Stage { client: PresenceInternalServiceClient::new(channel), puppet, _server: server }
}

async fn serve(server: &mut JoinSet<()>, routes: Routes, layer: ServerLayer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = Server::builder().layer(layer).add_routes(routes);
    server.spawn(async move { serving.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap() });
    address
}

pub fn remote(address: &str) -> Directory {
    let directory = Directory::new(LocalRoutes::new(), []);
    directory.with_remote(Target::Presence, &[format!("http://{address}")]).unwrap()
}

/// A server deadline far beyond what a test waits.
pub fn patient() -> ServerOptions {
    ServerOptions { max_in_flight: 16, deadline: Duration::from_secs(60) }
}
