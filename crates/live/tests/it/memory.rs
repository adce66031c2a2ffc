use std::sync::Arc;

use godwit_live::Live;
use godwit_live::memory::MemoryLive;

use crate::conformance::Deployment;

async fn one_process() -> Deployment {
    let live: Arc<dyn Live> = Arc::new(MemoryLive::new());
    Deployment { here: live.clone(), there: live }
}

suite!(one_process);
