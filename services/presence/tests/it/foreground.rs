//! The devices that people have in front of them.

use std::collections::BTreeSet;

use godwit_contract::presence::v1::{ForegroundDevices, ReportNodeRequest};
use godwit_kernel::{DeviceId, SystemClock, SystemEntropy, UserId};
use tonic::Code;

use crate::facts_macro::facts;
use crate::world::{LONG_LEASE, Node, Replica, World, user};

facts!(
    a_device_is_in_front_while_its_user_is_active_there,
    devices_of_several_nodes_are_in_front_and_those_of_dead_ones_are_not,
    what_names_too_many_is_refused,
);

fn device() -> DeviceId {
    DeviceId::generate(&SystemClock, &SystemEntropy)
}

fn joined(node: &Node, user: UserId, devices: &[DeviceId]) -> ReportNodeRequest {
    let device_ids = devices.iter().map(DeviceId::to_string).collect();
    let foreground = vec![ForegroundDevices { user_id: user.to_string(), device_ids }];
    ReportNodeRequest { foreground, ..node.joined(&[user]) }
}

async fn in_front(replica: &Replica, users: &[UserId]) -> BTreeSet<String> {
    replica.foreground(users).await.unwrap().into_iter().collect()
}

fn ids(devices: &[DeviceId]) -> BTreeSet<String> {
    devices.iter().map(DeviceId::to_string).collect()
}

async fn a_device_is_in_front_while_its_user_is_active_there(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let (ada, bob, node) = (user(), user(), Node::new());
    let (phone, tablet) = (device(), device());
    assert_eq!(in_front(&replica, &[ada, bob]).await, ids(&[]));
    replica.report(joined(&node, ada, &[phone, tablet])).await.unwrap();
    assert_eq!(in_front(&replica, &[ada, bob]).await, ids(&[phone, tablet]));
    assert_eq!(in_front(&replica, &[bob]).await, ids(&[]));
    replica.report(joined(&node, ada, &[tablet])).await.unwrap();
    assert_eq!(in_front(&replica, &[ada]).await, ids(&[tablet]));
    replica.report(node.away(&[ada])).await.unwrap();
    assert_eq!(in_front(&replica, &[ada]).await, ids(&[]));
    replica.report(joined(&node, ada, &[phone])).await.unwrap();
    assert_eq!(in_front(&replica, &[ada]).await, ids(&[phone]));
    replica.report(node.left(&[ada])).await.unwrap();
    assert_eq!(in_front(&replica, &[ada]).await, ids(&[]));
}

async fn devices_of_several_nodes_are_in_front_and_those_of_dead_ones_are_not(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let (ada, first, second) = (user(), Node::new(), Node::new());
    let (phone, tablet) = (device(), device());
    replica.report(joined(&first, ada, &[phone])).await.unwrap();
    replica.report(joined(&second, ada, &[tablet])).await.unwrap();
    assert_eq!(in_front(&replica, &[ada]).await, ids(&[phone, tablet]));
    // The lease of a node that does not report any more ends.
    world.live_remove(&format!("presence:node:{}", first.node_id)).await;
    assert_eq!(in_front(&replica, &[ada]).await, ids(&[tablet]));
}

async fn what_names_too_many_is_refused(world: World) {
    let replica = world.replica_at_rest(LONG_LEASE);
    let devices: Vec<DeviceId> = (0..101).map(|_| device()).collect();
    let refused = replica.report(joined(&Node::new(), user(), &devices)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let users: Vec<UserId> = (0..201).map(|_| user()).collect();
    assert_eq!(replica.foreground(&users).await.unwrap_err().code(), Code::InvalidArgument);
}
