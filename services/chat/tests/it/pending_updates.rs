use std::sync::Arc;
use std::time::Duration;

use godwit_chat::workers;
use godwit_rpc::ServiceError as _;
use godwit_testkit::eventually;
use tokio_util::sync::CancellationToken;

use crate::world::World;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_made_while_the_log_is_away_is_finished_by_asking_again() {
    let world = World::new().await;
    let (ada, bob) = (world.person(), world.person());
    world.neighbours.stop_message();
    let refused = world.app.create_direct_chat(ada, bob).await.unwrap_err();
    assert_eq!(refused.reason(), "LOG_NOT_READY");
    assert_eq!(world.neighbours.update_count(), 0);

    world.neighbours.start_message();
    let chat = world.app.create_direct_chat(bob, ada).await.unwrap();
    assert_eq!(chat.head.last_seq, 1);
    assert_eq!(world.neighbours.update_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_no_call_appended_is_appended_by_the_worker() {
    let world = World::new().await;
    let (ada, bob) = (world.person(), world.person());
    let mut bobs = world.gateway_of(bob).await;
    world.neighbours.stop_message();
    world.app.create_direct_chat(ada, bob).await.unwrap_err();
    world.neighbours.start_message();

    let stop = CancellationToken::new();
    let worker = spawn(workers::append_pending(Arc::clone(&world.app), Duration::from_millis(10), stop.clone()));
    eventually(SOON, async || {
        world.clock.advance(Duration::from_secs(1));
        world.neighbours.update_count() == 1
    })
    .await;
    let chats = eventually(SOON, async || {
        let page = world.app.list_chats(ada, None, 10).await.unwrap();
        (page.chats.len() == 1).then_some(page.chats)
    })
    .await;
    assert_eq!(bobs.told_to_follow().await, [chats[0].chat.id.to_string()]);
    stop.cancel();
    worker.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_update_is_left_to_its_call_for_two_seconds_and_then_tried_with_growing_pauses() {
    let world = World::new().await;
    world.neighbours.stop_message();
    world.app.create_direct_chat(world.person(), world.person()).await.unwrap_err();

    let mut tried_at = Vec::new();
    for second in 0..60 {
        if world.app.append_due(10).await.unwrap() > 0 {
            tried_at.push(second);
        }
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(tried_at, [2, 3, 5, 9, 17, 33]);
}

#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
fn spawn<F>(work: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(work)
}
