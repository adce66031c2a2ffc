//! Three replicas that talk over real sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use godwit_call_signaling::domain::{Actor, Call, Command, Event, Media, NewCall, Outcome, Party, State};
use godwit_call_signaling::raft::{Node, NodeOptions};
use godwit_call_signaling::{Leader, RaftGrpc};
use godwit_contract::call::v1::raft_service_server::RaftServiceServer;
use godwit_kernel::{CallId, Clock as _};
use godwit_rpc::{Directory, LocalRoutes};
use godwit_testkit::{TestClock, eventually};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Server, TcpIncoming};

use crate::replica::{new_call_id, person};

const SOON: Duration = Duration::from_secs(30);

struct Member {
    node: Node,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Member {
    fn calls(&self) -> Vec<Call> {
        self.node.peek(|machine| machine.calls().cloned().collect())
    }
}

struct Group {
    addresses: BTreeMap<u64, SocketAddr>,
    dir: tempfile::TempDir,
    running: BTreeMap<u64, Member>,
}

impl Group {
    async fn of_three() -> Self {
        let mut listeners = BTreeMap::new();
        for id in 1..=3 {
            listeners.insert(id, TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let addresses = listeners.iter().map(|(id, listener)| (*id, listener.local_addr().unwrap())).collect();
        let mut group = Self { addresses, dir: tempfile::tempdir().unwrap(), running: BTreeMap::new() };
        // The first member makes the group, so it is started last: the others listen by then.
        for (id, listener) in listeners.into_iter().rev() {
            group.start_on(id, listener).await;
        }
        group
    }

    async fn start_on(&mut self, id: u64, listener: TcpListener) {
        let members = self.addresses.iter().map(|(id, address)| (*id, format!("http://{address}"))).collect();
        let data_dir = self.dir.path().to_owned();
        let node = eventually(SOON, || {
            let options = NodeOptions { node_id: id, members: BTreeMap::clone(&members), data_dir: data_dir.clone() };
            Node::start(options, Directory::new(LocalRoutes::new(), []))
        })
        .await;
        let leader = Leader::new(node.clone(), Directory::new(LocalRoutes::new(), []));
        let service = RaftServiceServer::new(RaftGrpc::new(node.clone(), leader));
        let stop = CancellationToken::new();
        let server = Server::builder().add_service(service);
        let server = server.serve_with_incoming_shutdown(TcpIncoming::from(listener), stop.clone().cancelled_owned());
        let server = spawn(async move { server.await.unwrap() });
        self.running.insert(id, Member { node, stop, server });
    }

    async fn restart(&mut self, id: u64) {
        let listener = eventually(SOON, || TcpListener::bind(self.addresses[&id])).await;
        self.start_on(id, listener).await;
    }

    async fn kill(&mut self, id: u64) {
        let member = self.running.remove(&id).unwrap();
        member.stop.cancel();
        member.node.shutdown().await;
        // With the last connection goes the last hold on the file.
        member.server.await.unwrap();
    }

    /// Ends all replicas, then starts them again. Whether each had a snapshot and had cut its log when it ended.
    async fn restart_all(&mut self) -> bool {
        for id in 1..=3 {
            self.kill(id).await;
        }
        let mut have_cut = true;
        for id in 1..=3 {
            have_cut &= has_cut_its_log(&self.dir.path().join(format!("node-{id}.redb"))).await;
        }
        for id in (1..=3).rev() {
            self.restart(id).await;
        }
        have_cut
    }

    /// Makes 2,200 calls, which is more than the log keeps. The id of the last.
    async fn make_many_calls(&self) -> CallId {
        let mut last = None;
        for _ in 0..22 {
            let batch: Vec<(CallId, Command)> = (0..100).map(|_| create(person(), person())).collect();
            futures_util::future::join_all(batch.iter().map(|(_, command)| self.propose(command))).await;
            last = batch.last().map(|(id, _)| *id);
        }
        last.unwrap()
    }

    /// The id of the replica that leads those that run.
    async fn leader(&self) -> u64 {
        eventually(SOON, async || self.running.iter().find(|(_, member)| member.node.is_leader()).map(|(id, _)| *id))
            .await
    }

    /// Commits by whoever leads by then.
    async fn propose(&self, command: &Command) -> Outcome {
        eventually(SOON, async || {
            let leader = self.leader().await;
            self.running[&leader].node.propose(command.clone()).await
        })
        .await
    }

    /// Waits until every replica that runs has the call in this state.
    async fn agree(&self, id: CallId, state: State) {
        for (number, member) in &self.running {
            eventually(SOON, async || {
                let found = member.node.peek(|machine| machine.call(id).map(|call| call.state));
                if found == Some(state) { Ok(()) } else { Err(format!("replica {number} has {found:?}")) }
            })
            .await;
        }
    }
}

const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const VALUES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("values");

/// Whether the file of a replica that does not run holds a snapshot, and of the log not the beginning any more.
async fn has_cut_its_log(file: &Path) -> bool {
    // The replica lets go of it a moment after it has ended.
    let database = eventually(SOON, async || Database::open(file)).await;
    let read = database.begin_read().unwrap();
    let (log, values) = (read.open_table(LOG).unwrap(), read.open_table(VALUES).unwrap());
    let first = log.first().unwrap().map(|(index, _)| index.value());
    let snapshot = values.get("snapshot").unwrap();
    snapshot.is_some() && first != Some(0)
}

#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
fn spawn(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(work)
}

fn create(caller: Party, callee: Party) -> (CallId, Command) {
    let id = new_call_id();
    let at = TestClock::default().now();
    (id, Command::Create(NewCall { id, media: Media::Voice, caller, callee_id: callee.user_id, chat_id: None, at }))
}

fn act(call_id: CallId, party: Party, event: Event) -> Command {
    Command::Act { call_id, actor: Actor::Party(party), event, at: TestClock::default().now() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ringing_call_survives_the_death_of_the_leader() {
    let mut group = Group::of_three().await;
    let (ada, bob) = (person(), person());
    let (id, command) = create(ada, bob);
    assert!(matches!(group.propose(&command).await, Outcome::Changed(_)));
    group.agree(id, State::Ringing).await;

    let first = group.leader().await;
    group.kill(first).await;
    assert!(matches!(group.propose(&act(id, bob, Event::Accept)).await, Outcome::Changed(_)));
    assert_ne!(group.leader().await, first);
    group.agree(id, State::Accepted).await;

    group.restart(first).await;
    group.agree(id, State::Accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_nothing_changes() {
    let mut group = Group::of_three().await;
    let (ada, bob) = (person(), person());
    let (id, command) = create(ada, bob);
    group.propose(&command).await;
    group.agree(id, State::Ringing).await;
    let leader = group.leader().await;
    for id in (1..=3).filter(|id| *id != leader) {
        group.kill(id).await;
    }
    assert!(group.running[&leader].node.propose(act(id, bob, Event::Decline)).await.is_err());
    assert!(group.running[&leader].node.read(|machine| machine.call(id).cloned()).await.is_err());
    group.agree(id, State::Ringing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_away_for_long_catches_up_by_a_snapshot() {
    let mut group = Group::of_three().await;
    let away = (1..=3).find(|id| *id != 1).unwrap();
    group.leader().await;
    group.kill(away).await;
    // Enough that the snapshot travels in several pieces.
    let last = group.make_many_calls().await;
    group.restart(away).await;
    group.agree(last, State::Ringing).await;
    let counts = group.running.values().map(|member| member.node.peek(|machine| machine.calls().count()));
    assert!(counts.into_iter().all(|count| count == 2_200));
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_all_died_go_on_from_their_snapshots() {
    let mut group = Group::of_three().await;
    let (ada, bob, eve, dan) = (person(), person(), person(), person());
    let ((declined, to_bob), (ringing, to_dan)) = (create(ada, bob), create(eve, dan));
    for command in [&to_bob, &to_dan] {
        assert!(matches!(group.propose(command).await, Outcome::Changed(_)));
    }
    let last = group.make_many_calls().await;
    // The snapshots have these otherwise: the rest of the log is needed, too.
    group.propose(&act(declined, bob, Event::Decline)).await;
    group.propose(&Command::Forget { call_ids: vec![declined] }).await;
    let (accepted, command) = create(ada, bob);
    group.propose(&command).await;
    group.propose(&act(accepted, bob, Event::Accept)).await;
    group.agree(accepted, State::Accepted).await;
    let before = group.running[&group.leader().await].calls();
    assert_eq!(before.len(), 2_202);
    assert!(before.iter().all(|call| call.id != declined));

    // Snapshots are taken beside everything else: a replica that died before that takes one when it is there again.
    let mut deaths = 1;
    while !group.restart_all().await {
        deaths += 1;
        assert!(deaths < 5, "a replica keeps its whole log");
        group.agree(accepted, State::Accepted).await;
    }
    for (number, member) in &group.running {
        eventually(SOON, async || {
            let now = member.calls();
            if now == before { Ok(()) } else { Err(format!("replica {number} has {} calls that differ", now.len())) }
        })
        .await;
    }
    group.agree(last, State::Ringing).await;
    assert!(matches!(group.propose(&act(ringing, dan, Event::Accept)).await, Outcome::Changed(_)));
    group.agree(ringing, State::Accepted).await;
}
