use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use godwit_rpc::{Caller, Channel, Directory, Failure, Target, to_status};
use parking_lot::Mutex;
use tokio::time::Instant;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Response, Status};

use crate::Error;
use crate::raft::{self, Leadership, Node};

/// How long a request waits for a leader: an election takes up to two seconds.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long the leader may take: one that is frozen is replaced within two seconds.
const PASS_ON_TIMEOUT: Duration = Duration::from_secs(2);
/// Marks what another replica passed on: it goes no further, so that two that take each other for the leader do not play
/// ball.
const PASSED_ON: &str = "godwit-call-passed-on";

/// Lets the replica that leads serve a request, whichever was asked. Its frames of one call then leave one process, in
/// the order of the changes.
#[derive(Clone)]
pub struct Leader {
    node: Node,
    directory: Directory,
    channels: Arc<Mutex<BTreeMap<String, Channel>>>,
}

/// Whether a request may be made again of which nobody knows whether it was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The second time finds what the first did.
    Harmless,
    /// It would happen twice.
    Never,
}

/// What is known of a request besides its message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    caller: Option<Caller>,
    is_passed_on: bool,
    repeat: Repeat,
    timeout: Duration,
}

impl Asked {
    pub(super) fn of<T>(request: &Request<T>, repeat: Repeat) -> Self {
        let is_passed_on = request.metadata().contains_key(PASSED_ON);
        Self { caller: Caller::of(request).ok(), is_passed_on, repeat, timeout: PASS_ON_TIMEOUT }
    }

    /// For what takes the leader longer than most.
    pub(super) const fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    fn pass_on<T>(self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(caller) = self.caller {
            caller.attach(&mut request);
        }
        request.metadata_mut().insert(PASSED_ON, MetadataValue::from_static("1"));
        request.set_timeout(self.timeout);
        request
    }
}

impl Leader {
    /// The leader of this replica's group.
    pub fn new(node: Node, directory: Directory) -> Self {
        Self { node, directory, channels: Arc::default() }
    }

    /// Serves a request `here` when this replica leads, and `there` by the one that does. While none leads it waits.
    ///
    /// # Errors
    /// Those of whoever served it; `CALLS_NO_LEADER` when nobody led in time.
    pub(super) async fn serve<Q, A, Here, There>(
        &self,
        asked: Asked,
        message: Q,
        here: impl Fn(Q) -> Here,
        there: impl Fn(Channel, Request<Q>) -> There,
    ) -> Result<Response<A>, Status>
    where
        Q: Clone,
        Here: Future<Output = Result<A, Error>>,
        There: Future<Output = Result<Response<A>, Status>>,
    {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let failure = match self.node.leadership() {
                Leadership::Here => match here(message.clone()).await {
                    Err(Error::Raft(raft::Error::NotLeader)) => None,
                    answer => return answer.map(Response::new).map_err(to_status),
                },
                Leadership::At(address) if !asked.is_passed_on => {
                    match there(self.channel(&address)?, asked.pass_on(message.clone())).await {
                        Err(status) if may_repeat(&status, asked.repeat) => Some(status),
                        answer => return answer,
                    }
                }
                Leadership::At(_) | Leadership::Nowhere => None,
            };
            if asked.is_passed_on || Instant::now() >= give_up_at {
                return Err(failure.unwrap_or_else(no_leader));
            }
            self.node.wait_for_leader().await;
        }
    }

    fn channel(&self, address: &str) -> Result<Channel, Status> {
        let mut channels = self.channels.lock();
        if let Some(channel) = channels.get(address) {
            return Ok(channel.clone());
        }
        let channel = self.directory.replica(Target::Call, address).map_err(|_| no_leader())?;
        channels.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }
}

fn no_leader() -> Status {
    to_status(Error::Raft(raft::Error::NotLeader))
}

/// Whoever does not lead, starts or stops has done nothing. Of a replica that died, or froze, nobody knows.
fn may_repeat(status: &Status, repeat: Repeat) -> bool {
    match (status.code(), Failure::from_status(status).reason.as_str()) {
        (Code::Unavailable, "CALLS_NO_LEADER" | "STARTING" | "STOPPING") => true,
        // The transport's own: no service answered.
        (Code::Unavailable, "UNAVAILABLE") | (Code::DeadlineExceeded, _) => repeat == Repeat::Harmless,
        _ => false,
    }
}
