//! What the two sides of a call say to each other: it keeps its order, and is kept nowhere.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use godwit_contract::v1::call_signal::Content;
use godwit_contract::v1::client_frame::Frame as ClientContent;
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{Call, CallSignal, CallSignalFrame, CallState, IceCandidate};
use godwit_testkit::{ClusterOptions, Shape, eventually};
use tokio::time::{Instant, sleep, timeout};

use super::record::{Record, history};
use super::stage::{Group, PATIENCE, REPLICAS, done, ring};
use crate::support::{Encoding, Pair, Socket, dump, unique};

fn signal(call: &Call, content: Content) -> ClientContent {
    let signal = Some(CallSignal { content: Some(content) });
    ClientContent::CallSignal(CallSignalFrame { call_id: call.id.clone(), to_device_id: String::new(), signal })
}

/// So many are said before the leader dies, and when so many are answered it does. A gateway takes 64 at once, and 100
/// of one connection without a pause.
const BEFORE: u32 = 25;
const ANSWERED: u32 = 5;
/// Said when another leads, after all others were answered.
const LAST: u32 = 50;
const TRIED_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// One side of a call, which numbers what it says and does not wait for answers.
struct Side<'a> {
    socket: Socket,
    call: &'a Call,
    answer_count: u32,
    passed_on: BTreeSet<u32>,
    heard: Vec<u32>,
}

/// A description, or one of the candidates that belong to it.
fn content(number: u32) -> Content {
    if number.is_multiple_of(10) {
        return Content::Offer(number.to_string());
    }
    Content::Ice(IceCandidate { candidate: number.to_string(), ..IceCandidate::default() })
}

impl<'a> Side<'a> {
    fn new(socket: Socket, call: &'a Call) -> Self {
        Self { socket, call, answer_count: 0, passed_on: BTreeSet::new(), heard: Vec::new() }
    }

    async fn say(&mut self, numbers: impl IntoIterator<Item = u32>) {
        for number in numbers {
            self.socket.send(&number.to_string(), signal(self.call, content(number))).await;
        }
    }

    async fn until_answered(&mut self, count: u32) {
        while self.answer_count < count {
            self.read().await;
        }
    }

    /// Says the last until it is passed on.
    async fn say_last(&mut self) {
        let give_up_at = Instant::now() + PATIENCE;
        while !self.passed_on.contains(&LAST) {
            assert!(Instant::now() < give_up_at, "nothing is passed on any more");
            self.say([LAST]).await;
            self.until_answered(self.answer_count + 1).await;
            sleep(TRIED_AGAIN_AFTER).await;
        }
    }

    async fn until_last_is_heard(&mut self) {
        while !self.heard.contains(&LAST) {
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let frame = timeout(PATIENCE, self.socket.next()).await.expect("it goes on").expect("the connection stays");
        match frame.frame {
            Some(Frame::Done(_)) => {
                self.answer_count += 1;
                self.passed_on.insert(frame.id.parse().unwrap());
            }
            Some(Frame::Error(refused)) => {
                assert!([503, 504].contains(&refused.status), "{refused:?}");
                self.answer_count += 1;
            }
            Some(Frame::CallSignal(event)) => {
                let said = event.signal.and_then(|signal| signal.content).unwrap();
                let number: u32 = match &said {
                    Content::Offer(text) => text.parse().unwrap(),
                    Content::Ice(ice) => ice.candidate.parse().unwrap(),
                    other => panic!("nobody said {other:?}"),
                };
                assert_eq!(said, content(number));
                self.heard.push(number);
            }
            _ => {}
        }
    }

    /// The other side heard what was passed on in the order it was said, and nothing twice. What was answered by an error
    /// it may have heard or not.
    fn assert_heard_by(&self, other: &Side<'_>) {
        // The last alone is said again when it was not answered.
        let heard: Vec<u32> = other.heard.iter().copied().filter(|number| *number != LAST).collect();
        let distinct: BTreeSet<u32> = heard.iter().copied().collect();
        assert_eq!(heard.len(), distinct.len(), "something came twice: {heard:?}");
        let kept: Vec<u32> = heard.into_iter().filter(|number| self.passed_on.contains(number)).collect();
        assert_eq!(kept, self.passed_on.range(..LAST).copied().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn what_both_sides_say_at_once_keeps_its_order_when_the_leader_dies() {
    let mut group = Group::exclusive().await;
    let pair = Pair::create(&group.cluster).await;
    let mut record = Record::default();
    let (adas, bobs) = tokio::join!(pair.ada.connect(Encoding::Binary), pair.bob.connect(Encoding::Json));
    let call = ring(&pair).await;
    done(&pair.bob, &call, "accept").await;
    let (mut adas, mut bobs) = (Side::new(adas, &call), Side::new(bobs, &call));

    let leader = group.leader().await;
    tokio::join!(adas.say(0..BEFORE), bobs.say(0..BEFORE));
    tokio::join!(adas.until_answered(ANSWERED), bobs.until_answered(ANSWERED));
    group.cluster.kill(leader);
    tokio::join!(adas.say(BEFORE..LAST), bobs.say(BEFORE..LAST));
    tokio::join!(adas.until_answered(LAST), bobs.until_answered(LAST));
    tokio::join!(adas.say_last(), bobs.say_last());
    tokio::join!(adas.until_last_is_heard(), bobs.until_last_is_heard());
    adas.assert_heard_by(&bobs);
    bobs.assert_heard_by(&adas);

    group.cluster.start_again(leader).await;
    record.note(&done(&pair.bob, &call, "end").await);
    record.assert_told_once(&group, &pair).await;
}

/// Says something, and gives the answer.
async fn say(socket: &mut Socket, call: &Call, content: Content) -> Frame {
    let id = unique("signal");
    socket.send(&id, signal(call, content)).await;
    socket.answer(&id).await
}

/// Says something that the other side hears.
async fn tell(from: &mut Socket, to: &mut Socket, call: &Call, content: Content) {
    let answer = say(from, call, content.clone()).await;
    assert!(matches!(answer, Frame::Done(_)), "{answer:?}");
    let heard = to.until("signal", |frame| match frame.frame {
        Some(Frame::CallSignal(event)) => event.signal?.content,
        _ => None,
    });
    assert_eq!(heard.await, content);
}

#[tokio::test]
async fn what_is_said_in_a_call_is_in_no_table_file_or_log() {
    // Events in the database, where all of them can be read.
    let options = ClusterOptions::new(Shape::Separate).call_group();
    let options = options.variable("GODWIT_LOG", "debug").variable("GODWIT_EVENTS", "postgres");
    let group = Group::start_with(options).await;
    let pair = Pair::create(&group.cluster).await;
    let call = ring(&pair).await;
    let mark = unique("quicksilver");
    say_everything(&pair, &call, &mark).await;
    eventually(PATIENCE, || async { history(&pair.bob).await.iter().any(|recorded| recorded.id == call.id) }).await;

    // Everywhere something is found of the call, hence what is looked at is what there is.
    let tables = [("the database".to_owned(), dump(group.cluster.database_url()))];
    let directories = REPLICAS.map(|replica| group.cluster.setting(replica, "GODWIT_CALL_DATA_DIR").unwrap());
    let stored: Vec<(String, String)> = directories.into_iter().flat_map(files).collect();
    let logs = group.cluster.logs();
    for places in [tables.as_slice(), stored.as_slice(), logs.as_slice()] {
        assert!(places.iter().any(|(_, text)| text.contains(&call.id)), "the call is in none of {}", names(places));
        for (name, text) in places {
            assert_without(&mark, name, text);
        }
    }
}

/// What is passed on and what is refused, by both sides.
async fn say_everything(pair: &Pair, call: &Call, mark: &str) {
    let (mut adas, mut bobs) = tokio::join!(pair.ada.connect(Encoding::Json), pair.bob.connect(Encoding::Binary));
    let description = format!("v=0\r\ns={mark}\r\n");
    let candidate = Content::Ice(IceCandidate {
        candidate: format!("candidate:1 1 udp 1 192.0.2.1 9 typ host ufrag {mark}"),
        sdp_mid: mark.to_owned(),
        sdp_m_line_index: Some(0),
        username_fragment: mark.to_owned(),
    });
    tell(&mut adas, &mut bobs, call, Content::Offer(description.clone())).await;
    assert_eq!(done(&pair.bob, call, "accept").await.state(), CallState::Accepted);
    tell(&mut bobs, &mut adas, call, Content::Answer(description.clone())).await;
    tell(&mut adas, &mut bobs, call, candidate.clone()).await;
    tell(&mut bobs, &mut adas, call, candidate).await;

    let long = say(&mut adas, call, Content::Offer(mark.repeat(1_500))).await;
    assert!(matches!(&long, Frame::Error(refused) if refused.status == 400), "{long:?}");
    done(&pair.ada, call, "end").await;
    let late = say(&mut bobs, call, Content::Offer(description)).await;
    assert!(matches!(&late, Frame::Error(refused) if [404, 409].contains(&refused.status)), "{late:?}");
}

/// What is in the files of a directory, by their names.
fn files(directory: &str) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    paths.map(|path| (path.display().to_string(), read(&path))).collect()
}

fn names(places: &[(String, String)]) -> String {
    places.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
}

/// As text, in the hexadecimal digits of a dump, or in the numbers that JSON makes of bytes.
fn assert_without(mark: &str, name: &str, text: &str) {
    let digits: String = mark.bytes().map(|byte| format!("{byte:02x}")).collect();
    let numbers = mark.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(",");
    for trace in [mark, digits.as_str(), numbers.as_str()] {
        assert!(!text.contains(trace), "what was said in a call is in {name}");
    }
}
