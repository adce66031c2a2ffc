use std::thread;

use anyhow::Context as _;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Runs a future on a thread of its own, with all that it spawns. What everybody waits for does not wait in line there
/// behind those who wait.
///
/// # Errors
/// The future's; that the thread cannot be started, or panicked.
pub async fn on_own_thread<F>(name: &str, future: F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let runtime = Builder::new_current_thread().enable_all().build().context("a runtime cannot be made")?;
    let (ended, end) = oneshot::channel();
    let run = move || {
        // Who waited may have gone.
        ended.send(runtime.block_on(future)).ok();
    };
    thread::Builder::new().name(name.to_owned()).spawn(run).context("a thread cannot be started")?;
    end.await.context("the thread panicked")?
}
