use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::fixture::grpc_answer;
use crate::process::Fixture;

/// An OTLP collector that counts what it is sent.
#[derive(Clone, Default)]
struct Collector {
    exports: Arc<AtomicUsize>,
}

impl NamedService for Collector {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl tower::Service<http::Request<Body>> for Collector {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        self.exports.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(Ok(grpc_answer(0))))
    }
}

#[tokio::test]
async fn spans_held_back_are_sent_before_the_process_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let collector = Collector::default();
    let serving = Server::builder().add_service(collector.clone()).serve_with_incoming(TcpIncoming::from(listener));
    let life = async {
        let fixture =
            Fixture::ready(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "600000")]).await;
        crate::grpc::call_health(&fixture).await;
        assert_eq!(collector.exports.load(Ordering::SeqCst), 0);
        fixture.signal("TERM").await;
        fixture.ended().await
    };
    let (status, log) = tokio::select! {
        ended = life => ended,
        stopped = serving => panic!("the collector stopped: {stopped:?}"),
    };
    assert_eq!(status.code(), Some(0), "{log:#?}");
    assert_eq!(collector.exports.load(Ordering::SeqCst), 1, "{log:#?}");
}
