//! Nobody gets worse before the grace is over.

use std::collections::BTreeMap;
use std::time::Duration;

use godwit_contract::v1::PresenceStatus::{self, Away, Offline, Online};
use godwit_kernel::{Clock, UserId};
use godwit_testkit::eventually;
use proptest::prelude::*;

use crate::facts_macro::facts;
use crate::world::{DEADLINE, LONG_LEASE, Node, Replica, World, memory, user};

/// Short enough to wait for its end.
const GRACE: Duration = Duration::from_millis(700);
/// Longer than a test goes on.
const LONG_GRACE: Duration = Duration::from_secs(50);

facts!(
    who_is_back_within_the_grace_was_never_gone,
    who_stays_away_is_told_after_the_grace_with_the_time_they_left,
    users_of_a_leaving_node_may_turn_up_elsewhere,
    going_to_the_background_is_told_after_the_grace_and_coming_back_at_once,
    the_best_connection_counts,
    a_large_node_that_dies_is_taken_apart,
);

fn seen_at(presence: &godwit_contract::v1::Presence) -> Option<time::OffsetDateTime> {
    presence.last_seen_at.as_ref().and_then(godwit_rpc::instant)
}

/// Takes apart what has ended until nothing lingers.
async fn nothing_lingers(world: &World, replica: &Replica, leases: usize) {
    eventually(DEADLINE, async || {
        replica.app.end_leases().await.unwrap();
        world.members("presence:leases").await.len() == leases
    })
    .await;
}

async fn who_is_back_within_the_grace_was_never_gone(world: World) {
    let replica = world.forgiving_replica_at_rest(GRACE);
    let (ada, first, second) = (user(), Node::new(), Node::new());
    replica.report(first.joined(&[ada])).await.unwrap();
    assert_eq!(replica.to_announce(), [ada]);
    for (from, to) in [(&first, &second), (&second, &first)] {
        replica.report(from.left(&[ada])).await.unwrap();
        assert_eq!(replica.status(ada, ada).await, Online);
        replica.report(to.joined(&[ada])).await.unwrap();
    }
    nothing_lingers(&world, &replica, 2).await;
    assert_eq!(replica.to_announce(), []);
    assert_eq!(replica.status(ada, ada).await, Online);
}

async fn who_stays_away_is_told_after_the_grace_with_the_time_they_left(world: World) {
    let replica = world.forgiving_replica(GRACE);
    let (ada, node) = (user(), Node::new());
    let mut bob = world.phone(&[ada]).await;
    replica.report(node.joined(&[ada])).await.unwrap();
    bob.waits_for((ada, Online, None)).await;
    let left_at = world.clock.now();
    replica.report(node.left(&[ada])).await.unwrap();
    assert_eq!(replica.status(ada, ada).await, Online);
    world.clock.advance(Duration::from_secs(60));
    bob.waits_for((ada, Offline, Some(left_at))).await;
    assert_eq!(seen_at(&replica.ask(bob.user_id, ada).await.unwrap()), Some(left_at));
}

async fn users_of_a_leaving_node_may_turn_up_elsewhere(world: World) {
    let replica = world.forgiving_replica_at_rest(GRACE);
    let (ada, cleo, first, second) = (user(), user(), Node::new(), Node::new());
    replica.report(first.joined(&[ada, cleo])).await.unwrap();
    assert_eq!(replica.to_announce().len(), 2);
    let left_at = world.clock.now();
    replica.report(first.leaving()).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    replica.app.end_leases().await.unwrap();
    replica.report(second.joined(&[ada])).await.unwrap();
    assert_eq!(replica.to_announce(), []);
    nothing_lingers(&world, &replica, 1).await;
    assert_eq!(replica.to_announce(), [cleo]);
    assert_eq!(replica.status(ada, ada).await, Online);
    assert_eq!(seen_at(&replica.ask(cleo, cleo).await.unwrap()), Some(left_at));
}

async fn going_to_the_background_is_told_after_the_grace_and_coming_back_at_once(world: World) {
    let replica = world.forgiving_replica_at_rest(GRACE);
    let (ada, node) = (user(), Node::new());
    replica.report(node.joined(&[ada])).await.unwrap();
    assert_eq!(replica.to_announce(), [ada]);
    replica.report(node.away(&[ada])).await.unwrap();
    assert_eq!((replica.status(ada, ada).await, replica.to_announce()), (Online, vec![]));
    nothing_lingers(&world, &replica, 1).await;
    assert_eq!((replica.status(ada, ada).await, replica.to_announce()), (Away, vec![ada]));
    replica.report(node.joined(&[ada])).await.unwrap();
    assert_eq!((replica.status(ada, ada).await, replica.to_announce()), (Online, vec![ada]));
    // Who goes away and leaves soon after is online, then away, then gone: never gone and away again.
    replica.report(node.away(&[ada])).await.unwrap();
    nothing_lingers(&world, &replica, 1).await;
    replica.report(node.left(&[ada])).await.unwrap();
    assert_eq!((replica.status(ada, ada).await, replica.to_announce()), (Away, vec![ada]));
    nothing_lingers(&world, &replica, 1).await;
    assert_eq!((replica.status(ada, ada).await, replica.to_announce()), (Offline, vec![ada]));
}

async fn the_best_connection_counts(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let (ada, phone, laptop) = (user(), Node::new(), Node::new());
    for (report, status, is_told) in [
        (phone.away(&[ada]), Away, true),
        (laptop.away(&[ada]), Away, false),
        (laptop.joined(&[ada]), Online, true),
        (phone.joined(&[ada]), Online, false),
        (laptop.left(&[ada]), Online, false),
        (phone.away(&[ada]), Away, true),
        (phone.left(&[ada]), Offline, true),
    ] {
        replica.report(report).await.unwrap();
        assert_eq!((replica.status(ada, ada).await, replica.to_announce() == [ada]), (status, is_told));
    }
}

async fn a_large_node_that_dies_is_taken_apart(world: World) {
    let replica = world.forgiving_replica_at_rest(LONG_GRACE);
    let node = Node::new();
    let users: Vec<UserId> = (0..20_000).map(|_| user()).collect();
    for part in users.chunks(10_000) {
        replica.report(node.joined(part)).await.unwrap();
    }
    assert_eq!(replica.to_announce().len(), users.len());
    let heard_at = world.clock.now();
    world.clock.advance(Duration::from_secs(60));
    world.live_remove(&format!("presence:node:{}", node.node_id)).await;
    replica.app.end_leases().await.unwrap();
    assert_eq!(replica.to_announce().len(), users.len());
    assert!(world.members("presence:leases").await.is_empty());
    for user_id in users.iter().step_by(997) {
        let gone = replica.ask(*user_id, *user_id).await.unwrap();
        assert_eq!((gone.status(), seen_at(&gone)), (Offline, Some(heard_at)));
    }
}

/// What happens to one user at one of three nodes.
#[derive(Clone, Copy, Debug)]
enum Step {
    Join,
    Away,
    Leave,
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![Just(Step::Join), Just(Step::Away), Just(Step::Leave)];
    prop::collection::vec((0..3_usize, step), 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Without a grace, a user is what the best of the nodes says, and each change of that is told, and nothing else.
    #[test]
    fn whatever_nodes_report_the_best_of_it_holds(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::over(memory().await).await;
            let replica = world.replica_at_rest(LONG_LEASE);
            let (ada, nodes) = (user(), [Node::new(), Node::new(), Node::new()]);
            let mut model: BTreeMap<usize, PresenceStatus> = BTreeMap::new();
            let best = |model: &BTreeMap<usize, PresenceStatus>| {
                let has = |status| model.values().any(|at| *at == status);
                if has(Online) { Online } else if has(Away) { Away } else { Offline }
            };
            for (place, step) in steps {
                let node = nodes.get(place).unwrap();
                let before = best(&model);
                let report = match step {
                    Step::Join => { model.insert(place, Online); node.joined(&[ada]) }
                    Step::Away => { model.insert(place, Away); node.away(&[ada]) }
                    Step::Leave => { model.remove(&place); node.left(&[ada]) }
                };
                replica.report(report).await.unwrap();
                assert_eq!(replica.status(ada, ada).await, best(&model));
                assert_eq!(!replica.to_announce().is_empty(), best(&model) != before);
            }
        });
    }
}
