use std::time::Duration;

use godwit_contract::call::v1::{AcceptCallResponse, CreateCallResponse, GetCallResponse};
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{Call, CallState};
use godwit_kernel::{CallId, SystemClock, SystemEntropy};
use godwit_testkit::{ClusterOptions, Shape, TestCluster, eventually, http_client};
use serde_json::{Value, json};

use crate::support::{Account, Answer, Pair, Rest, Socket, unique};

/// An election, and a request that waited for the one before, included.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// A replica that is frozen, or cut off, does not answer at all.
const LOOK_TIMEOUT: Duration = Duration::from_millis(500);

pub const REPLICAS: [&str; 3] = ["call-signaling-1", "call-signaling-2", "call-signaling-3"];

/// A cluster with a call group, and where its stream is.
pub struct Group {
    pub cluster: TestCluster,
    pub topic_prefix: String,
}

impl Group {
    pub async fn start() -> Self {
        Self::start_with(ClusterOptions::new(Shape::Separate).call_group()).await
    }

    pub async fn start_with(options: ClusterOptions) -> Self {
        let topic_prefix = format!("{}.", unique("calls"));
        let options = options.variable("GODWIT_KAFKA_TOPIC_PREFIX", topic_prefix.clone());
        Self { cluster: options.start().await, topic_prefix }
    }

    /// The replica that leads.
    pub async fn leader(&self) -> &'static str {
        eventually(PATIENCE, || self.leads_among(&REPLICAS)).await
    }

    /// The replica that leads, when it is one of these.
    pub async fn leads_among(&self, replicas: &[&'static str]) -> Option<&'static str> {
        for &replica in replicas {
            if self.leads(replica).await == Some(true) {
                return Some(replica);
            }
        }
        None
    }

    /// Whether a replica takes itself for the leader; `None` when it does not answer.
    pub async fn leads(&self, replica: &str) -> Option<bool> {
        let asked = http_client().get(self.cluster.metrics_url(replica)).timeout(LOOK_TIMEOUT);
        let metrics = asked.send().await.ok()?.text().await.ok()?;
        Some(metrics.lines().any(|line| line.starts_with("call_raft_is_leader") && line.ends_with(" 1")))
    }

    /// What `godwit call-members` prints when it asks a replica.
    pub async fn members(&self, replica: &str, wanted: &[String]) -> Result<String, String> {
        let to = format!("--to={}", self.address(replica));
        let mut arguments = vec!["call-members", to.as_str()];
        arguments.extend(wanted.iter().map(String::as_str));
        let said = self.cluster.tool(&arguments).await;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if said.status.success() { Ok(text(said.stdout)) } else { Err(text(said.stderr)) }
    }

    /// Where other processes reach a replica.
    pub fn address(&self, replica: &str) -> String {
        format!("http://{}", self.cluster.setting(replica, "GODWIT_GRPC_LISTEN").unwrap())
    }
}

/// Asks under the same id until the group answers, as a client does: no answer, and 503, say nothing of what was done.
pub async fn ask(rest: &Rest, path: &str, body: Value) -> Answer {
    eventually(PATIENCE, || async {
        match rest.try_post(path, body.clone()).await {
            Some(answer) if ![503, 504].contains(&answer.status) => Ok(answer),
            Some(answer) => Err(format!("{answer:?}")),
            None => Err("no answer".to_owned()),
        }
    })
    .await
}

/// What somebody asks who calls this person.
pub fn call_to(callee: &Account) -> Value {
    let id = CallId::generate(&SystemClock, &SystemEntropy).to_string();
    json!({"callee_id": callee.user_id, "media": "CALL_MEDIA_VIDEO", "call_id": id})
}

/// Ada calls Bob.
pub async fn ring(pair: &Pair) -> Call {
    let answer = ask(&pair.ada.rest, "/calls", call_to(&pair.bob)).await;
    let call = answer.created::<CreateCallResponse>().call.unwrap();
    assert_eq!(call.state(), CallState::Ringing);
    call
}

/// Accepts, declines, cancels or ends, whatever the answer is.
pub async fn act(person: &Account, call: &Call, action: &str) -> Answer {
    ask(&person.rest, &format!("/calls/{}/{action}", call.id), json!({})).await
}

/// As [`act`], and it is done.
pub async fn done(person: &Account, call: &Call, action: &str) -> Call {
    // All four answers are a call and nothing else.
    act(person, call, action).await.ok::<AcceptCallResponse>().call.unwrap()
}

/// The call as a party is told of it; nothing while nobody answers for the group.
pub async fn look(person: &Account, call: &Call) -> Option<Call> {
    let answer = person.rest.get(&format!("/calls/{}", call.id)).await;
    if answer.status == 200 { answer.ok::<GetCallResponse>().call } else { None }
}

/// Waits until a party is told that a call is so.
pub async fn until(person: &Account, call: &Call, what: &str, is_so: impl Fn(&Call) -> bool) -> Call {
    eventually(PATIENCE, || async {
        match look(person, call).await {
            Some(now) if is_so(&now) => Ok(now),
            now => Err(format!("not {what}: {now:?}")),
        }
    })
    .await
}

/// Reads until a `call` frame tells this state of a call.
pub async fn sees(socket: &mut Socket, call: &Call, state: CallState) -> Call {
    let what = format!("{state:?}");
    let told = socket.until(&what, |frame| match frame.frame {
        Some(Frame::Call(told)) if told.id == call.id && told.state() == state => Some(told),
        _ => None,
    });
    told.await
}
