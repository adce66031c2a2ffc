//! People on screen, and people asked for together.

use godwit_contract::v1::PresenceStatus::{Offline, Online, Unspecified};
use godwit_kernel::{Clock, UserId};
use godwit_rpc::Failure;
use tonic::Code;

use crate::facts_macro::facts;
use crate::world::{LONG_LEASE, Node, World, user};

facts!(
    friends_are_told_while_they_are,
    who_watches_is_told_and_nobody_else,
    who_is_blocked_while_watching_is_told_no_more,
    watchers_at_a_dead_node_are_not_told,
    a_famous_person_has_a_bounded_number_of_watchers,
    many_people_are_asked_for_at_once,
    what_is_read_later_is_as_of_later,
);

async fn friends_are_told_while_they_are(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let (ada, node) = (user(), Node::new());
    let mut bob = world.phone(&[]).await;
    world.auth.befriend(ada, bob.user_id);
    replica.report(node.joined(&[ada])).await.unwrap();
    replica.app.announce(ada).await.unwrap();
    assert_eq!(bob.sees().await, (ada, Online, None));
    world.auth.unfriend(ada, bob.user_id);
    replica.report(node.left(&[ada])).await.unwrap();
    replica.app.announce(ada).await.unwrap();
    assert!(bob.has_seen_all(&world).await);
}

async fn who_watches_is_told_and_nobody_else(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let (ada, cleo, node) = (user(), user(), Node::new());
    let (mut bob, mut other) = (world.phone(&[]).await, world.phone(&[]).await);
    replica.report(node.joined(&[cleo])).await.unwrap();
    let seen = replica.watch(&bob, &[ada, cleo], &[]).await.unwrap();
    let seen: Vec<_> = seen.iter().map(|seen| (seen.user_id.clone(), seen.status())).collect();
    assert_eq!(seen, [(ada.to_string(), Offline), (cleo.to_string(), Online)]);
    replica.report(node.joined(&[ada])).await.unwrap();
    replica.app.announce(ada).await.unwrap();
    assert_eq!(bob.sees().await, (ada, Online, None));
    replica.watch(&bob, &[], &[ada]).await.unwrap();
    replica.report(node.left(&[ada, cleo])).await.unwrap();
    replica.app.announce(ada).await.unwrap();
    replica.app.announce(cleo).await.unwrap();
    assert_eq!(bob.sees().await, (cleo, Offline, Some(world.clock.now())));
    assert!(bob.has_seen_all(&world).await && other.has_seen_all(&world).await);
}

async fn who_is_blocked_while_watching_is_told_no_more(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let (ada, node) = (user(), Node::new());
    let mut bob = world.phone(&[ada]).await;
    replica.watch(&bob, &[ada], &[]).await.unwrap();
    for reason in ["BLOCKED", "PRIVACY"] {
        world.auth.refuse(bob.user_id, ada, reason);
        replica.report(node.joined(&[ada])).await.unwrap();
        replica.app.announce(ada).await.unwrap();
        assert!(bob.has_seen_all(&world).await, "{reason}");
        let seen = replica.watch(&bob, &[ada], &[]).await.unwrap();
        assert_eq!(seen.first().unwrap().status, i32::from(Unspecified));
        world.auth.allow(bob.user_id, ada);
        replica.app.announce(ada).await.unwrap();
        assert_eq!(bob.sees().await, (ada, Online, None));
    }
}

async fn watchers_at_a_dead_node_are_not_told(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let (ada, node) = (user(), Node::new());
    let mut bob = world.phone(&[]).await;
    replica.watch(&bob, &[ada], &[]).await.unwrap();
    world.live_remove(&format!("presence:node:{}", bob.node.node_id)).await;
    replica.report(node.joined(&[ada])).await.unwrap();
    replica.app.announce(ada).await.unwrap();
    assert!(bob.has_seen_all(&world).await);
}

async fn a_famous_person_has_a_bounded_number_of_watchers(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let (ada, node) = (user(), Node::new());
    let crowd: Vec<UserId> = (0..1_000).map(|_| user()).collect();
    let members: Vec<String> = crowd.iter().map(|fan| format!("{fan}/{}", node.node_id)).collect();
    let key = format!("presence:watchers:{ada}");
    world.live_add(&key, &members).await;
    let mut bob = world.phone(&[]).await;
    let seen = replica.watch(&bob, &[ada], &[]).await.unwrap();
    assert_eq!(seen.first().unwrap().status(), Offline, "the answer is right all the same");
    assert_eq!(world.members(&key).await.len(), 1_000);
    replica.report(node.joined(&[ada])).await.unwrap();
    replica.app.announce(ada).await.unwrap();
    assert!(bob.has_seen_all(&world).await);
}

async fn many_people_are_asked_for_at_once(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let (ada, hidden, nobody, bob, node) = (user(), user(), user(), user(), Node::new());
    replica.report(node.joined(&[ada, hidden, bob])).await.unwrap();
    world.auth.refuse(bob, hidden, "PRIVACY");
    world.auth.refuse(bob, nobody, "USER_NOT_FOUND");
    let gone = user();
    let seen = replica.list(bob, &[gone, ada, hidden, nobody, bob]).await.unwrap();
    let statuses: Vec<_> = seen.iter().map(|seen| seen.status()).collect();
    assert_eq!(statuses, [Offline, Online, Unspecified, Unspecified, Online]);
    assert_eq!(world.auth.calls(), 1);
    for ids in [vec![], (0..101).map(|_| user()).collect::<Vec<_>>()] {
        let refused = Failure::from_status(&replica.list(bob, &ids).await.unwrap_err());
        assert_eq!((refused.code, refused.reason.as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"));
    }
}

async fn what_is_read_later_is_as_of_later(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let ada = user();
    for _ in 0..3 {
        let seen = replica.ask(ada, ada).await.unwrap();
        assert_eq!(seen.as_of.as_ref().and_then(godwit_rpc::instant), Some(world.clock.now()));
        world.clock.advance(std::time::Duration::from_secs(1));
    }
}
