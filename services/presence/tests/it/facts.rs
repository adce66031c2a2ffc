use std::sync::Arc;
use std::time::Duration;

use godwit_contract::presence::v1::{GetPresenceRequest, ReportNodeRequest};
use godwit_contract::v1::PresenceStatus::{Offline, Online, Unspecified};
use godwit_kernel::{Clock, UserId};
use godwit_live::Live;
use godwit_rpc::{Failure, ServiceError as _};
use godwit_testkit::eventually;
use tonic::{Code, Request, Status};

use crate::facts_macro::facts;
use crate::world::{DEADLINE, LONG_LEASE, Node, Replica, SHORT_LEASE, World, memory, user};

facts!(
    presence_is_seen_by_oneself_and_by_whom_auth_lets_see_it,
    changes_are_told_and_nothing_else,
    direct_peers_and_nobody_else_are_told,
    a_peer_who_may_not_see_it_is_not_told,
    a_user_at_two_nodes_stays_online_until_the_last_one,
    every_peer_is_told,
    users_of_a_dead_node_go_offline,
    users_of_a_leaving_node_go_at_once,
    several_replicas_end_a_lease_once,
    a_node_that_lost_its_lease_reports_all_its_users_again,
    a_new_lease_asks_for_all_users_until_an_answer_must_have_arrived,
    who_left_and_joined_in_one_report_is_online,
    a_full_report_is_taken_in,
    while_live_is_down_presence_is_unknown_and_comes_back,
    live_that_comes_back_empty_is_filled_again,
    a_departure_that_cannot_be_recorded_is_reported_again,
    last_seen_never_goes_back,
    without_the_chat_service_nobody_is_told,
    without_auth_nobody_learns_anything_of_others,
    peers_are_asked_for_together_and_only_those_who_are_there,
    what_is_no_report_is_refused,
);

fn reason(status: &Status) -> (Code, String) {
    (status.code(), Failure::from_status(status).reason)
}

async fn presence_is_seen_by_oneself_and_by_whom_auth_lets_see_it(world: World) {
    let replica = world.replica(LONG_LEASE);
    let (ada, bob, nobody) = (user(), user(), user());
    replica.report(Node::new().joined(&[ada])).await.unwrap();
    assert_eq!(replica.status(ada, ada).await, Online);
    assert_eq!(world.auth.calls(), 0, "one's own is nobody else's concern");
    assert_eq!(replica.status(bob, ada).await, Online);
    assert_eq!(replica.status(ada, bob).await, Offline);
    for name in ["PRIVACY", "BLOCKED"] {
        world.auth.refuse(bob, ada, name);
        let hidden = replica.ask(bob, ada).await.unwrap();
        assert_eq!((hidden.user_id, hidden.last_seen_at), (ada.to_string(), None));
        assert_eq!(hidden.status, i32::from(Unspecified));
    }
    world.auth.allow(bob, ada);
    assert_eq!(replica.status(bob, ada).await, Online);
    world.auth.refuse(ada, nobody, "USER_NOT_FOUND");
    let refused = replica.ask(ada, nobody).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::NotFound, "USER_NOT_FOUND".to_owned()));
    let anonymous = Request::new(GetPresenceRequest { user_id: ada.to_string() });
    let refused = replica.presence_client().get_presence(anonymous).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

async fn changes_are_told_and_nothing_else(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let (ada, first, second) = (user(), Node::new(), Node::new());
    let steps = [
        (first.joined(&[ada]), vec![ada]),
        (first.joined(&[ada]), vec![]),
        (first.joined(&[]), vec![]),
        (second.joined(&[ada]), vec![]),
        (first.left(&[ada]), vec![]),
        (second.left(&[ada]), vec![ada]),
        (second.left(&[ada]), vec![]),
        (first.left(&[ada]), vec![]),
        (first.joined(&[ada]), vec![ada]),
    ];
    for (step, (report, expected)) in steps.into_iter().enumerate() {
        replica.report(report).await.unwrap();
        assert_eq!(replica.to_announce(), expected, "step {step}");
    }
}

async fn direct_peers_and_nobody_else_are_told(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let (ada, node) = (user(), Node::new());
    let mut bob = world.phone(&[ada]).await;
    let mut stranger = world.phone(&[]).await;
    replica.report(node.joined(&[ada])).await.unwrap();
    replica.app.announce(ada).await.unwrap();
    assert_eq!(bob.sees().await, (ada, Online, None));
    world.clock.advance(Duration::from_secs(60));
    replica.report(node.left(&[ada])).await.unwrap();
    replica.app.announce(ada).await.unwrap();
    assert_eq!(bob.sees().await, (ada, Offline, Some(world.clock.now())));
    assert!(bob.has_seen_all(&world).await && stranger.has_seen_all(&world).await);
}

async fn a_peer_who_may_not_see_it_is_not_told(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let (ada, node) = (user(), Node::new());
    let mut bob = world.phone(&[ada]).await;
    let mut hidden = Vec::new();
    for name in ["PRIVACY", "BLOCKED", "USER_NOT_FOUND"] {
        let phone = world.phone(&[ada]).await;
        world.auth.refuse(phone.user_id, ada, name);
        hidden.push(phone);
    }
    replica.report(node.joined(&[ada])).await.unwrap();
    replica.app.announce(ada).await.unwrap();
    assert_eq!(bob.sees().await, (ada, Online, None));
    for phone in &mut hidden {
        assert!(phone.has_seen_all(&world).await);
        world.auth.allow(phone.user_id, ada);
    }
    replica.report(node.left(&[ada])).await.unwrap();
    replica.app.announce(ada).await.unwrap();
    for phone in &mut hidden {
        assert_eq!(phone.sees().await, (ada, Offline, Some(world.clock.now())));
    }
}

async fn a_user_at_two_nodes_stays_online_until_the_last_one(world: World) {
    let replica = world.replica(LONG_LEASE);
    let (ada, first, second) = (user(), Node::new(), Node::new());
    let mut bob = world.phone(&[ada]).await;
    replica.report(first.joined(&[ada])).await.unwrap();
    bob.waits_for((ada, Online, None)).await;
    replica.report(second.joined(&[ada])).await.unwrap();
    replica.report(first.left(&[ada])).await.unwrap();
    assert_eq!(replica.status(bob.user_id, ada).await, Online);
    replica.report(second.left(&[ada])).await.unwrap();
    bob.waits_for((ada, Offline, Some(world.clock.now()))).await;
    assert_eq!(replica.status(bob.user_id, ada).await, Offline);
}

async fn every_peer_is_told(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let ada = user();
    let mut phones = Vec::new();
    for _ in 0..10 {
        phones.push(world.phone(&[ada]).await);
    }
    replica.report(Node::new().joined(&[ada])).await.unwrap();
    replica.app.announce(ada).await.unwrap();
    for phone in &mut phones {
        assert_eq!(phone.sees().await, (ada, Online, None));
        assert!(phone.has_seen_all(&world).await);
    }
}

async fn users_of_a_dead_node_go_offline(world: World) {
    let replica = world.replica(SHORT_LEASE);
    let (dead, alive) = (Node::new(), Node::new());
    let (ada, cleo) = (user(), user());
    let mut bob = world.phone(&[ada, cleo]).await;
    // Cleo has another device, at a node that goes on reporting.
    let both_live = [dead.joined(&[ada, cleo]), alive.joined(&[cleo])];
    replica.reporting(&both_live, bob.waits_for((ada, Online, None))).await;
    let one_lives = [alive.joined(&[cleo])];
    replica
        .reporting(&one_lives, async {
            bob.waits_for((ada, Offline, Some(world.clock.now()))).await;
            assert_eq!(replica.status(bob.user_id, cleo).await, Online);
            assert_eq!(replica.status(bob.user_id, ada).await, Offline);
        })
        .await;
}

async fn users_of_a_leaving_node_go_at_once(world: World) {
    let replica = world.replica(LONG_LEASE);
    let (ada, node) = (user(), Node::new());
    let mut bob = world.phone(&[ada]).await;
    replica.report(node.joined(&[ada])).await.unwrap();
    bob.waits_for((ada, Online, None)).await;
    assert!(!replica.report(node.leaving()).await.unwrap().resend_all);
    assert_eq!(replica.status(bob.user_id, ada).await, Offline);
    bob.waits_for((ada, Offline, Some(world.clock.now()))).await;
    // Nothing of the node is left behind.
    eventually(DEADLINE, async || world.members("presence:leases").await.is_empty()).await;
    assert!(world.members(&format!("presence:user:{ada}")).await.is_empty());
    replica.report(Node::new().leaving()).await.unwrap();
}

async fn several_replicas_end_a_lease_once(world: World) {
    let replicas = [LONG_LEASE; 3].map(|lease| world.replica_at_rest(lease));
    let [first, second, third] = &replicas;
    let (node, mut users) = (Node::new(), (0..20).map(|_| user()).collect::<Vec<UserId>>());
    users.sort();
    first.report(node.joined(&users)).await.unwrap();
    assert_eq!(first.to_announce().len(), users.len());
    world.live.remove(&format!("presence:node:{}", node.node_id)).await.unwrap();
    let (one, two, three) = tokio::join!(first.app.end_leases(), second.app.end_leases(), third.app.end_leases());
    [one, two, three].into_iter().for_each(|ended| ended.unwrap());
    let mut told: Vec<UserId> = replicas.iter().flat_map(Replica::to_announce).collect();
    told.sort();
    assert_eq!(told, users);
    assert!(world.members("presence:leases").await.is_empty());
}

async fn a_node_that_lost_its_lease_reports_all_its_users_again(world: World) {
    let replica = world.replica(LONG_LEASE);
    let (ada, cleo, node) = (user(), user(), Node::new());
    replica.report(node.joined(&[ada])).await.unwrap();
    replica.report(node.joined(&[])).await.unwrap();
    assert!(!replica.report(node.joined(&[])).await.unwrap().resend_all);
    world.live.remove(&format!("presence:node:{}", node.node_id)).await.unwrap();
    assert_eq!(replica.status(ada, ada).await, Offline);
    // The node was not dead, only late.
    assert!(replica.report(node.joined(&[cleo])).await.unwrap().resend_all);
    replica.report(node.joined(&[ada, cleo])).await.unwrap();
    replica.app.end_leases().await.unwrap();
    assert_eq!(replica.status(ada, ada).await, Online);
    assert_eq!(replica.status(cleo, cleo).await, Online);
    assert_eq!(world.members("presence:leases").await.len(), 1);
}

async fn a_new_lease_asks_for_all_users_until_an_answer_must_have_arrived(world: World) {
    let replica = world.replica(LONG_LEASE);
    let node = Node::new();
    let mut asked = Vec::new();
    for _ in 0..4 {
        let answer = replica.report(node.joined(&[])).await.unwrap();
        assert_eq!(u128::from(answer.lease_ms), LONG_LEASE.as_millis() / 2);
        asked.push(answer.resend_all);
    }
    assert_eq!(asked, [true, true, false, false]);
}

async fn who_left_and_joined_in_one_report_is_online(world: World) {
    let replica = world.replica(LONG_LEASE);
    let (ada, node) = (user(), Node::new());
    for _ in 0..2 {
        replica.report(node.report(&[ada], &[ada])).await.unwrap();
        assert_eq!(replica.status(ada, ada).await, Online);
    }
}

async fn a_full_report_is_taken_in(world: World) {
    let replica = world.replica(LONG_LEASE);
    let node = Node::new();
    let users: Vec<UserId> = (0..10_000).map(|_| user()).collect();
    replica.report(node.joined(&users)).await.unwrap();
    for user_id in users.iter().step_by(1_000) {
        assert_eq!(replica.status(*user_id, *user_id).await, Online);
    }
    replica.report(node.left(&users)).await.unwrap();
    for user_id in users.iter().step_by(1_000) {
        let presence = replica.ask(*user_id, *user_id).await.unwrap();
        assert_eq!(presence.status(), Offline);
        assert!(presence.last_seen_at.is_some());
    }
}

async fn while_live_is_down_presence_is_unknown_and_comes_back(world: World) {
    let replica = world.replica(LONG_LEASE);
    let (ada, node) = (user(), Node::new());
    let mut bob = world.phone(&[ada]).await;
    replica.report(node.joined(&[ada])).await.unwrap();
    bob.waits_for((ada, Online, None)).await;
    let live = world.live.set(None);
    let unknown = replica.ask(bob.user_id, ada).await.unwrap();
    assert_eq!((unknown.status(), unknown.last_seen_at), (Unspecified, None));
    let refused = replica.report(node.left(&[ada])).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::Unavailable, "PRESENCE_UNAVAILABLE".to_owned()));
    world.live.set(live);
    assert_eq!(replica.status(bob.user_id, ada).await, Online);
    replica.report(node.left(&[ada])).await.unwrap();
    bob.waits_for((ada, Offline, Some(world.clock.now()))).await;
}

async fn live_that_comes_back_empty_is_filled_again(world: World) {
    let replica = world.replica(LONG_LEASE);
    let (ada, node) = (user(), Node::new());
    for _ in 0..3 {
        replica.report(node.joined(&[ada])).await.unwrap();
    }
    let empty: Arc<dyn Live> = memory().await;
    world.live.set(Some(empty));
    assert!(replica.report(node.joined(&[])).await.unwrap().resend_all);
    replica.report(node.joined(&[ada])).await.unwrap();
    assert_eq!(replica.status(ada, ada).await, Online);
}

async fn a_departure_that_cannot_be_recorded_is_reported_again(world: World) {
    let (replica, cut_off) = (world.replica(LONG_LEASE), world.replica_without_database(LONG_LEASE));
    let (ada, node) = (user(), Node::new());
    replica.report(node.joined(&[ada])).await.unwrap();
    let refused = cut_off.report(node.left(&[ada])).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::Unavailable, "DATABASE_UNAVAILABLE".to_owned()));
    assert_eq!(cut_off.status(ada, ada).await, Online);
    replica.report(node.left(&[ada])).await.unwrap();
    let presence = replica.ask(ada, ada).await.unwrap();
    assert_eq!(presence.status(), Offline);
    assert_eq!(presence.last_seen_at.as_ref().and_then(godwit_rpc::instant), Some(world.clock.now()));
}

async fn last_seen_never_goes_back(world: World) {
    let replica = world.replica(LONG_LEASE);
    let (ada, node) = (user(), Node::new());
    let later = world.clock.now();
    for pause in [Duration::ZERO, Duration::from_secs(3_600)] {
        world.clock.set(later - pause);
        replica.report(node.joined(&[ada])).await.unwrap();
        replica.report(node.left(&[ada])).await.unwrap();
        let presence = replica.ask(ada, ada).await.unwrap();
        assert_eq!(presence.last_seen_at.as_ref().and_then(godwit_rpc::instant), Some(later));
    }
}

async fn without_the_chat_service_nobody_is_told(world: World) {
    let replica = world.replica(LONG_LEASE);
    let (ada, node) = (user(), Node::new());
    let mut bob = world.phone(&[ada]).await;
    world.chats.set_down(true);
    replica.report(node.joined(&[ada])).await.unwrap();
    assert_eq!(replica.status(ada, ada).await, Online);
    assert_eq!(replica.status(bob.user_id, ada).await, Online);
    let untold = replica.app.announce(ada).await.unwrap_err();
    assert_eq!(untold.reason(), "PEER_UNAVAILABLE");
    world.chats.set_down(false);
    replica.report(node.left(&[ada])).await.unwrap();
    bob.waits_for((ada, Offline, Some(world.clock.now()))).await;
}

async fn without_auth_nobody_learns_anything_of_others(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let (ada, node) = (user(), Node::new());
    let mut bob = world.phone(&[ada]).await;
    world.auth.set_down(true);
    replica.report(node.joined(&[ada])).await.unwrap();
    assert_eq!(replica.status(ada, ada).await, Online);
    let refused = replica.ask(bob.user_id, ada).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::Unavailable, "PEER_UNAVAILABLE".to_owned()));
    assert!(replica.app.announce(ada).await.is_err());
    assert!(bob.has_seen_all(&world).await);
    world.auth.set_down(false);
    replica.app.announce(ada).await.unwrap();
    assert_eq!(bob.sees().await, (ada, Online, None));
}

async fn peers_are_asked_for_together_and_only_those_who_are_there(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let ada = user();
    for _ in 0..50 {
        world.chats.befriend(ada, user());
        world.auth.befriend(ada, user());
    }
    replica.report(Node::new().joined(&[ada])).await.unwrap();
    replica.app.announce(ada).await.unwrap();
    assert_eq!(world.auth.calls(), 0, "nobody is there");
    let mut friends = Vec::new();
    for _ in 0..50 {
        let phone = world.phone(&[]).await;
        world.auth.befriend(ada, phone.user_id);
        friends.push(phone);
    }
    replica.app.announce(ada).await.unwrap();
    for friend in &mut friends {
        assert_eq!(friend.sees().await, (ada, Online, None));
    }
    assert_eq!(world.auth.calls(), 1);
}

async fn what_is_no_report_is_refused(world: World) {
    let replica = world.replica(LONG_LEASE);
    let node = Node::new();
    let many = vec![user(); 10_001];
    let no_user = ReportNodeRequest { joined_user_ids: vec!["ada".to_owned()], ..node.joined(&[]) };
    let no_node = ReportNodeRequest { node_id: String::new(), ..node.joined(&[]) };
    for (report, field) in [
        (node.joined(&many), "joined_user_ids"),
        (node.left(&many), "left_user_ids"),
        (no_user, "joined_user_ids"),
        (no_node, "node_id"),
    ] {
        let failure = Failure::from_status(&replica.report(report).await.unwrap_err());
        assert_eq!((failure.code, failure.reason.as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"));
        assert_eq!(failure.fields.first().map(|violation| violation.field.as_str()), Some(field));
    }
    assert!(world.members("presence:leases").await.is_empty());
}
