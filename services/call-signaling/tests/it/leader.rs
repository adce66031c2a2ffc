//! Whole replicas that serve over real sockets: whichever is asked, the one that leads answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use godwit_call_signaling::app::App;
use godwit_call_signaling::domain::{Party, State};
use godwit_call_signaling::raft::{Node, NodeOptions};
use godwit_call_signaling::{CallGrpc, CallInternalGrpc, Leader, RaftGrpc, workers};
use godwit_contract::call::v1 as api;
use godwit_contract::call::v1::call_internal_service_client::CallInternalServiceClient;
use godwit_contract::call::v1::call_internal_service_server::CallInternalServiceServer;
use godwit_contract::call::v1::call_service_client::CallServiceClient;
use godwit_contract::call::v1::call_service_server::CallServiceServer;
use godwit_contract::call::v1::raft_service_client::RaftServiceClient;
use godwit_contract::call::v1::raft_service_server::RaftServiceServer;
use godwit_contract::call::v1::{
    AcceptCallRequest, CancelCallRequest, CreateCallRequest, EndCallRequest, EndSessionRequest, GetCallRequest,
    GetMembersRequest, SetMembersRequest,
};
use godwit_contract::v1::{Call, CallMedia, CallState};
use godwit_rpc::{Caller, Channel, Directory, Failure, LocalRoutes, Target};
use godwit_testkit::eventually;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::transport::server::{Server, TcpIncoming};

use crate::replica::{Phone, World, app, new_call_id, other_device, spawn};

const SOON: Duration = Duration::from_secs(30);

struct Member {
    app: Arc<App>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<anyhow::Result<()>>>,
}

struct Group {
    world: World,
    addresses: BTreeMap<u64, SocketAddr>,
    running: BTreeMap<u64, Member>,
}

impl Group {
    /// Three replicas of which the group at first has these.
    async fn of(first: &[u64]) -> Self {
        let mut listeners = BTreeMap::new();
        for id in 1..=3 {
            listeners.insert(id, TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let addresses = listeners.iter().map(|(id, listener)| (*id, listener.local_addr().unwrap())).collect();
        let mut group = Self { world: World::new().await, addresses, running: BTreeMap::new() };
        for (id, listener) in listeners.into_iter().rev() {
            // One that joins later is told of the others, and itself is not the one that makes the group.
            let members = if first.contains(&id) { group.members(first) } else { group.members(&[1, id]) };
            group.start(id, members, listener).await;
        }
        eventually(SOON, async || group.running[&first[0]].app.node.has_leader()).await;
        group
    }

    fn members(&self, ids: &[u64]) -> BTreeMap<u64, String> {
        ids.iter().map(|id| (*id, format!("http://{}", self.addresses[id]))).collect()
    }

    async fn start(&mut self, id: u64, members: BTreeMap<u64, String>, listener: TcpListener) {
        let data_dir = self.world.data_dir.path().to_owned();
        let node = eventually(SOON, || {
            let options = NodeOptions { node_id: id, members: members.clone(), data_dir: data_dir.clone() };
            Node::start(options, Directory::new(LocalRoutes::new(), []))
        })
        .await;
        let app = app(&self.world, node.clone());
        let leader = Leader::new(node.clone(), Directory::new(LocalRoutes::new(), []));
        let stop = CancellationToken::new();
        let server = Server::builder()
            .add_service(CallServiceServer::new(CallGrpc::new(Arc::clone(&app), leader.clone())))
            .add_service(CallInternalServiceServer::new(CallInternalGrpc::new(Arc::clone(&app), leader.clone())))
            .add_service(RaftServiceServer::new(RaftGrpc::new(node, leader)));
        let server = server.serve_with_incoming_shutdown(TcpIncoming::from(listener), stop.clone().cancelled_owned());
        let tasks = vec![
            spawn(async move { Ok(server.await?) }),
            spawn(workers::time_calls(Arc::clone(&app), stop.clone())),
            spawn(workers::record_finished(Arc::clone(&app), stop.clone())),
        ];
        self.running.insert(id, Member { app, stop, tasks });
    }

    async fn restart(&mut self, id: u64) {
        let listener = eventually(SOON, || TcpListener::bind(self.addresses[&id])).await;
        let members = self.members(&[1, 2, 3]);
        self.start(id, members, listener).await;
    }

    async fn kill(&mut self, id: u64) {
        let member = self.running.remove(&id).unwrap();
        // First the replica, so that it answers nobody any more and gives nothing over.
        member.app.node.shutdown().await;
        member.stop.cancel();
        for task in member.tasks {
            task.abort();
        }
    }

    async fn leader(&self) -> u64 {
        let running = &self.running;
        eventually(SOON, async || running.iter().find(|(_, member)| member.app.node.is_leader()).map(|(id, _)| *id))
            .await
    }

    /// Some replica that runs and does not lead.
    async fn follower(&self) -> u64 {
        let leader = self.leader().await;
        *self.running.keys().find(|id| **id != leader).unwrap()
    }

    fn channel(&self, id: u64) -> Channel {
        let url = format!("http://{}", self.addresses[&id]);
        Directory::new(LocalRoutes::new(), []).replica(Target::Call, &url).unwrap()
    }

    fn calls(&self, id: u64) -> CallServiceClient<Channel> {
        CallServiceClient::new(self.channel(id))
    }

    fn to_bob(&self) -> CreateCallRequest {
        CreateCallRequest {
            callee_id: self.world.bob.user_id.to_string(),
            media: CallMedia::Video.into(),
            call_id: new_call_id().to_string(),
        }
    }

    async fn create(&self, by: u64) -> Call {
        let request = as_party(self.world.ada, self.to_bob());
        self.calls(by).create_call(request).await.unwrap().into_inner().call.unwrap()
    }

    async fn state(&self, by: u64, call: &Call) -> CallState {
        let request = as_party(self.world.ada, GetCallRequest { call_id: call.id.clone() });
        self.calls(by).get_call(request).await.unwrap().into_inner().call.unwrap().state()
    }
}

fn as_party<T>(party: Party, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let Party { user_id, device_id, session_id } = party;
    Caller { user_id, device_id, session_id: session_id.unwrap() }.attach(&mut request);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_replica_is_asked_the_leader_answers_and_tells_in_order() {
    let group = Group::of(&[1, 2, 3]).await;
    let mut bobs = Phone::of(&group.world, group.world.bob).await;
    let leader = group.leader().await;
    let followers: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
    for _ in 0..5 {
        let call = group.create(followers[0]).await;
        let accept = AcceptCallRequest { call_id: call.id.clone() };
        group.calls(followers[1]).accept_call(as_party(group.world.bob, accept)).await.unwrap();
        let end = EndCallRequest { call_id: call.id.clone() };
        group.calls(followers[0]).end_call(as_party(group.world.ada, end)).await.unwrap();
        for id in 1..=3 {
            assert_eq!(group.state(id, &call).await, CallState::Ended);
        }
        let mut seen = Vec::new();
        while seen.last() != Some(&CallState::Ended) {
            let told = bobs.sees_call().await;
            // A replica that has begun to lead tells once more how calls stand, the one before too.
            if told.id == call.id && seen.last() != Some(&told.state()) {
                seen.push(told.state());
            }
        }
        assert_eq!(seen, [CallState::Ringing, CallState::Accepted, CallState::Ended]);
    }
    // What is refused is refused with the reason of the leader.
    let call = group.create(followers[0]).await;
    let cancel = CancelCallRequest { call_id: call.id.clone() };
    let refused = group.calls(followers[1]).cancel_call(as_party(group.world.bob, cancel)).await.unwrap_err();
    assert_eq!(Failure::from_status(&refused).reason, "CALL_WRONG_PARTY");
    let session_id = group.world.ada.session_id.unwrap().to_string();
    let ended = EndSessionRequest { user_id: group.world.ada.user_id.to_string(), session_id };
    CallInternalServiceClient::new(group.channel(followers[1])).end_session(ended).await.unwrap();
    assert_eq!(group.state(followers[0], &call).await, CallState::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_for_the_next_leader_when_the_one_before_died() {
    let mut group = Group::of(&[1, 2, 3]).await;
    let call = group.create(group.follower().await).await;
    group.kill(group.leader().await).await;
    let survivor = *group.running.keys().next().unwrap();
    let accept = AcceptCallRequest { call_id: call.id.clone() };
    let accepted = group.calls(survivor).accept_call(as_party(group.world.bob, accept)).await.unwrap();
    assert_eq!(accepted.into_inner().call.unwrap().state(), CallState::Accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_devices_that_answer_while_the_leader_dies_one_wins() {
    let mut group = Group::of(&[1, 2, 3]).await;
    let call = group.create(group.follower().await).await;
    let leader = group.leader().await;
    let survivors: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
    let devices = [group.world.bob, other_device(group.world.bob), other_device(group.world.bob)];
    let answers: Vec<_> = devices
        .iter()
        .zip(survivors.iter().cycle())
        .map(|(device, by)| {
            let (mut calls, device, call_id) = (group.calls(*by), *device, call.id.clone());
            spawn(async move {
                let answer = eventually(SOON, async || {
                    let accept = AcceptCallRequest { call_id: call_id.clone() };
                    match calls.clone().accept_call(as_party(device, accept)).await {
                        Err(status) if status.code() == tonic::Code::Unavailable => Err(status),
                        answer => Ok(answer),
                    }
                })
                .await;
                calls = calls.clone();
                drop(calls);
                anyhow::ensure!(answer.is_ok(), "{}", Failure::from_status(&answer.unwrap_err()).reason);
                Ok(())
            })
        })
        .collect();
    group.kill(leader).await;
    let mut refusals = Vec::new();
    for answer in answers {
        if let Err(refused) = answer.await.unwrap() {
            refusals.push(refused.to_string());
        }
    }
    assert_eq!(refusals, ["CALL_ANSWERED_ELSEWHERE", "CALL_ANSWERED_ELSEWHERE"]);
    assert_eq!(group.state(survivors[0], &call).await, CallState::Accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_grows_from_one_to_three_and_shrinks_with_its_calls() {
    let mut group = Group::of(&[1]).await;
    let call = group.create(1).await;
    let set = |group: &Group, by: u64, ids: &[u64]| {
        let members = group.members(ids).into_iter().map(|(number, address)| api::Replica { number, address });
        let (channel, members) = (group.channel(by), members.collect());
        async move { RaftServiceClient::new(channel).set_members(SetMembersRequest { members }).await }
    };
    set(&group, 1, &[1, 2, 3]).await.unwrap();
    let members =
        RaftServiceClient::new(group.channel(3)).get_members(GetMembersRequest {}).await.unwrap().into_inner();
    assert_eq!(members.members.iter().map(|member| member.number).collect::<Vec<_>>(), [1, 2, 3]);

    // The two that came can do without the first, and it finds its place again.
    group.kill(1).await;
    let accept = AcceptCallRequest { call_id: call.id.clone() };
    group.calls(2).accept_call(as_party(group.world.bob, accept)).await.unwrap();
    group.restart(1).await;
    eventually(SOON, async || {
        let found = group.running[&1].app.node.peek(|machine| machine.calls().next().map(|call| call.state));
        if found == Some(State::Accepted) { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;

    // Whichever is asked, one leaves after the other; at last one is alone, and has the call.
    set(&group, 1, &[2, 3]).await.unwrap();
    group.kill(1).await;
    set(&group, 2, &[3]).await.unwrap();
    group.kill(2).await;
    assert_eq!(group.state(3, &call).await, CallState::Accepted);

    let nobody = set(&group, 3, &[]).await.unwrap_err();
    assert_eq!(Failure::from_status(&nobody).reason, "INVALID_ARGUMENT");
}
