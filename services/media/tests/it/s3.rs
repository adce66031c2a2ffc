use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use godwit_media::embedded_s3::EmbeddedS3;
use godwit_media::object_store::{Access, ObjectStore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// An S3 server of a test's own.
pub struct S3Server {
    pub address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl S3Server {
    pub async fn start(dir: &Path) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), dir).await
    }

    pub async fn start_at(listen: SocketAddr, dir: &Path) -> Self {
        let server = EmbeddedS3::bind(listen, dir, "key", "secret").await.unwrap();
        let stop = CancellationToken::new();
        Self { address: server.local_addr(), task: spawn(server.serve(stop.clone())), stop }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    pub fn access(&self) -> Access {
        access(self.address)
    }
}

pub fn access(address: SocketAddr) -> Access {
    Access {
        url: format!("http://{address}").parse().unwrap(),
        public_url: None,
        bucket: "godwit-media".to_owned(),
        region: "us-east-1".to_owned(),
        access_key: Some("key".to_owned().into()),
        secret_key: Some("secret".to_owned().into()),
    }
}

pub fn open(access: Access) -> Arc<ObjectStore> {
    // Another test of this process may have installed it.
    rustls::crypto::ring::default_provider().install_default().ok();
    Arc::new(ObjectStore::open(access).unwrap())
}

#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
pub fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(work)
}
