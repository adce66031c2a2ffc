//! An index that is built while the stream goes on, by the worker that does it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use godwit_events::{BatchHandler as _, Record};
use godwit_search::workers::build_index;
use godwit_testkit::eventually;
use tokio_util::sync::CancellationToken;

use crate::chatter::Chatter;
use crate::world::World;

const SOON: Duration = Duration::from_secs(60);
/// So far is the stream behind the message service, in records.
const BEHIND: usize = 12;
const BATCH: usize = 5;

/// Lets the worker build everything for a label, as it does when the service starts.
async fn build(world: &World, label: &str) {
    let stop = CancellationToken::new();
    let worker = build_index(Arc::clone(&world.app), world.order(label), stop.clone());
    let all = async {
        let sql = format!("SELECT count(*) AS number FROM builds WHERE label = '{label}' AND ended_at IS NOT NULL");
        eventually(SOON, async || world.number(&sql).await == 3).await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(worker, all);
    ended.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_edited_and_deleted_while_the_index_is_built_is_in_it_as_it_is() {
    let world = World::new().await;
    let mut chatter = Chatter::new(&world);
    // Of before the stream: only a build brings what is left of them.
    for _ in 0..200 {
        chatter.go_on();
    }
    let are_built = CancellationToken::new();
    let mut on_the_way: VecDeque<Record> = VecDeque::new();
    let builds = async {
        for label in ["1/a", "1/b", "1/c"] {
            build(&world, label).await;
        }
        are_built.cancel();
    };
    let stream = async {
        while !are_built.is_cancelled() {
            on_the_way.extend((0..BATCH).map(|_| chatter.go_on()));
            while on_the_way.len() > BEHIND {
                let batch: Vec<Record> = on_the_way.drain(..BATCH).collect();
                world.handler.handle(&batch).await.unwrap();
            }
        }
        let rest: Vec<Record> = on_the_way.drain(..).collect();
        world.handler.handle(&rest).await.unwrap();
    };
    tokio::join!(builds, stream);
    assert_eq!(world.findable().await, world.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_goes_on_by_itself_once_the_message_service_answers_again() {
    let world = World::new().await;
    let mut chatter = Chatter::new(&world);
    for _ in 0..20 {
        chatter.go_on();
    }
    world.chats.set_down();
    let recovery = async {
        // More often than one call is tried.
        eventually(SOON, async || world.chats.refused_count() > 3).await;
        world.chats.set_up();
    };
    tokio::join!(build(&world, "1/a"), recovery);
    assert_eq!(world.findable().await, world.said());
}
