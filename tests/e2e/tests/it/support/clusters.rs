use godwit_testkit::{Shape, TestCluster};
use tokio::sync::OnceCell;

// Clusters that many tests share, each with accounts and chats of its own. What stops or starts processes makes its
// own cluster instead. They end with the test's process.

/// One process with everything inside.
pub async fn embedded() -> &'static TestCluster {
    static CLUSTER: OnceCell<TestCluster> = OnceCell::const_new();
    CLUSTER.get_or_init(|| TestCluster::start(Shape::Embedded)).await
}

/// A process for each service and two gateways.
pub async fn separate() -> &'static TestCluster {
    static CLUSTER: OnceCell<TestCluster> = OnceCell::const_new();
    CLUSTER.get_or_init(|| TestCluster::start(Shape::Separate)).await
}
