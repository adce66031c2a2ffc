//! Calls between two browsers: real WebRTC, fake cameras.

mod chromium;
mod coturn;
mod site;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use godwit_contract::call::v1::ListCallHistoryResponse;
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{Call, CallEndCause, CallState};
use godwit_testkit::{ClusterOptions, Shape, TestCluster, eventually};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use self::chromium::Chromium;
use self::coturn::Coturn;
use self::site::Site;
use crate::support::{Account, Pair};

/// Two browsers encode and decode two videos each, beside a cluster.
const SOON: Duration = Duration::from_secs(60);
/// Between two looks at a page.
const PAUSE: Duration = Duration::from_millis(1_000);
/// The least frames that a video which moves has more after this pause: a picture that is decoded once would not do.
const FRAMES_MORE: u64 = 2;
/// More is refused; browsers offer all codecs that they have.
const SIGNAL_BYTES_MAX: usize = 32 * 1024;

/// How the two reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Direct,
    Relayed,
}

/// What `phone.look()` of `tests/e2e/browser/phone.js` tells.
#[derive(Debug, Deserialize)]
struct Look {
    call_id: String,
    call_state: String,
    connection_state: String,
    /// Decoded so far, of each video that comes in.
    frames: BTreeMap<String, u64>,
    /// Of sound that came in.
    samples: u64,
    route: Option<Candidates>,
    largest_signal: usize,
    faults: Vec<String>,
}

impl Look {
    /// How many videos have moved since an earlier look.
    fn moving_count(&self, earlier: &Self) -> usize {
        let before = |video: &str| earlier.frames.get(video).copied().unwrap_or(0);
        self.frames.iter().filter(|(video, count)| **count >= before(video) + FRAMES_MORE).count()
    }

    /// Whether it is connected in this way. Until the signal of a candidate comes it is only known as a peer reflexive one.
    fn goes(&self, route: Route) -> bool {
        let is_so = |candidates: &Candidates| match route {
            Route::Direct => candidates.own != "relay" && candidates.other != "relay",
            Route::Relayed => candidates.own == "relay" && candidates.other == "relay",
        };
        self.connection_state == "connected" && self.route.as_ref().is_some_and(is_so)
    }
}

/// Which kinds of candidates carry the call.
#[derive(Debug, Deserialize)]
struct Candidates {
    own: String,
    other: String,
}

/// A person at a browser.
struct Phone {
    browser: Chromium,
}

impl Phone {
    async fn open(site: &Site, gateway: &str, person: &Account) -> Self {
        let mut browser = Chromium::open(&format!("{}/", site.origin()), "typeof phone === 'object'").await;
        let settings = json!({"gateway": gateway, "token": person.access_token});
        browser.evaluate::<Value>(&format!("phone.start({settings})")).await;
        Self { browser }
    }

    async fn look(&mut self) -> Look {
        let look: Look = self.browser.evaluate("phone.look()").await;
        assert!(look.faults.is_empty(), "{look:?}");
        look
    }

    async fn until(&mut self, is_so: impl Fn(&Look) -> bool) -> Look {
        let deadline = Instant::now() + SOON;
        loop {
            let look = self.look().await;
            if is_so(&look) {
                return look;
            }
            assert!(Instant::now() < deadline, "{look:?}");
            sleep(PAUSE).await;
        }
    }

    /// Waits until exactly so many videos that come in move.
    async fn sees(&mut self, video_count: usize) {
        let deadline = Instant::now() + SOON;
        let mut earlier = self.look().await;
        loop {
            sleep(PAUSE).await;
            let look = self.look().await;
            if look.moving_count(&earlier) == video_count {
                return;
            }
            assert!(Instant::now() < deadline, "{video_count} should move: {look:?}");
            earlier = look;
        }
    }

    /// Does something, whatever it gives.
    async fn run(&mut self, expression: &str) {
        self.browser.evaluate::<Value>(expression).await;
    }
}

/// Everything that a call of two browsers needs; dropped in this order.
struct Stage {
    adas: Phone,
    bobs: Phone,
    pair: Pair,
    turn: Coturn,
    _cluster: TestCluster,
    _site: Site,
}

impl Stage {
    async fn set() -> Self {
        let (site, turn) = (Site::start().await, Coturn::start().await);
        let cluster = ClusterOptions::new(Shape::Separate)
            .variable("GODWIT_GATEWAY_ORIGINS", site.origin())
            .variable("GODWIT_CALL_STUN_URLS", turn.stun_urls())
            .variable("GODWIT_CALL_TURN_URLS", turn.turn_urls())
            .variable("GODWIT_CALL_TURN_SECRET", Coturn::SECRET)
            .start()
            .await;
        let pair = Pair::create(&cluster).await;
        let (adas, bobs) = tokio::join!(
            Phone::open(&site, cluster.gateway(), &pair.ada),
            Phone::open(&site, cluster.other_gateway(), &pair.bob),
        );
        Self { adas, bobs, pair, turn, _cluster: cluster, _site: site }
    }

    /// Ada calls Bob, who answers; both see and hear the other. The call's id.
    async fn call(&mut self, route: Route) -> String {
        let is_relay_only = route == Route::Relayed;
        for phone in [&mut self.adas, &mut self.bobs] {
            phone.run(&format!("phone.isRelayOnly = {is_relay_only}")).await;
        }
        let ring = format!("phone.ring({})", json!(self.pair.bob.user_id));
        let (called, answered): (String, String) =
            tokio::join!(self.adas.browser.evaluate(&ring), self.bobs.browser.evaluate("phone.answer()"));
        assert_eq!(called, answered);
        for phone in [&mut self.adas, &mut self.bobs] {
            phone.sees(1).await;
            let look = phone.until(|look| look.samples > 0 && look.goes(route)).await;
            assert_eq!((look.call_id.as_str(), look.call_state.as_str()), (called.as_str(), "CALL_STATE_ACCEPTED"));
        }
        called
    }

    /// Ada hangs up; Bob's browser stops too.
    async fn hang_up(&mut self) {
        self.adas.run("phone.hangUp()").await;
        for phone in [&mut self.adas, &mut self.bobs] {
            phone.until(|look| look.call_state == "CALL_STATE_ENDED" && look.connection_state == "closed").await;
        }
    }

    /// The calls of both, the oldest first, once so many are over.
    async fn histories(&self, call_count: usize) -> [Vec<Call>; 2] {
        let mut histories = [Vec::new(), Vec::new()];
        for (history, person) in histories.iter_mut().zip([&self.pair.ada, &self.pair.bob]) {
            *history = eventually(SOON, async || {
                let mut calls = person.rest.get("/calls/history").await.ok::<ListCallHistoryResponse>().calls;
                calls.reverse();
                if calls.len() == call_count { Ok(calls) } else { Err(calls) }
            })
            .await;
        }
        histories
    }

    /// The ids of the calls that the chat of the two tells of, in order.
    async fn logged(&self) -> Vec<String> {
        let log = self.pair.ada.whole_log(&self.pair.chat_id).await;
        let calls = log.into_iter().filter_map(|update| match update.change? {
            Change::CallLogged(logged) => Some(logged.call?.id),
            _ => None,
        });
        calls.collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_browsers_see_each_other_and_a_screen_directly_and_through_a_relay() {
    let mut stage = Stage::set().await;
    let mut calls = Vec::new();
    for route in [Route::Direct, Route::Relayed] {
        calls.push(stage.call(route).await);
        // The callee offers anew, with the screen beside the camera, and without it, and again.
        for _ in 0..2 {
            stage.bobs.run("phone.shareScreen()").await;
            stage.adas.sees(2).await;
            stage.bobs.sees(1).await;
            stage.bobs.run("phone.stopSharing()").await;
            stage.adas.sees(1).await;
        }
        // Then the caller.
        stage.adas.run("phone.shareScreen()").await;
        stage.bobs.sees(2).await;
        for phone in [&mut stage.adas, &mut stage.bobs] {
            let largest_signal = phone.look().await.largest_signal;
            assert!(largest_signal < SIGNAL_BYTES_MAX, "{largest_signal} bytes, with a screen");
        }
        stage.hang_up().await;
    }
    for person in [&stage.pair.ada, &stage.pair.bob] {
        assert!(stage.turn.relay_count(&person.user_id) > 0, "{} was given a relay", person.username);
    }
    let histories = stage.histories(calls.len()).await;
    for history in &histories {
        assert!(history.iter().map(|call| &call.id).eq(&calls), "{history:?}");
        for call in history {
            assert_eq!((call.state(), call.end_cause()), (CallState::Ended, CallEndCause::HungUp), "{call:?}");
        }
    }
    assert_eq!(histories[0], histories[1]);
    eventually(SOON, async || {
        let logged = stage.logged().await;
        if logged == calls { Ok(()) } else { Err(logged) }
    })
    .await;
}
