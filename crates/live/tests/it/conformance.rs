//! What every adapter promises. Each function is one fact; `suite!` makes tests of all of them, and [`passes`] runs
//! them one after the other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use godwit_live::{Delivery, Error, Live, TokenBucket, TokenDecision};
use godwit_testkit::{eventually, unique};
use tokio::time::Instant;

use crate::support::{DEADLINE, chat, interruption, message, next, text, user};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(400);

/// Two processes of one deployment; the same one twice where there is only one.
pub struct Deployment {
    pub here: Arc<dyn Live>,
    pub there: Arc<dyn Live>,
}

macro_rules! facts {
    ($($fact:ident),+ $(,)?) => {
        /// All facts, one after the other.
        pub async fn passes(deployment: &Deployment) {
            $($fact(deployment).await;)+
        }

        /// One test for each fact about what `$open` gives.
        macro_rules! suite {
            ($open:path) => {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $fact() {
                        crate::conformance::$fact(&$open().await).await;
                    }
                )+
            };
        }
    };
}

facts!(
    payloads_of_a_channel_arrive_in_order,
    what_is_published_after_add_is_delivered,
    a_removed_channel_is_silent_until_it_is_added_again,
    every_subscriber_gets_every_payload,
    a_full_queue_drops_and_tells_once,
    a_slow_subscriber_does_not_hold_up_others,
    a_dropped_subscription_ends,
    nothing_asked_is_nothing_done,
    keys_hold_what_was_set_last,
    a_key_ends_with_its_time,
    a_prolonged_key_lives_on_and_an_ended_one_stays_ended,
    only_the_first_sets_an_absent_key,
    a_set_tells_its_members_and_how_many_remain,
    many_sets_are_answered_in_order,
    a_set_ends_after_its_last_addition,
    kinds_of_values_are_not_mixed,
    a_bucket_gives_its_capacity_and_then_tells_when_to_come_again,
    concurrent_callers_share_a_bucket,
    the_store_answers,
);

pub async fn payloads_of_a_channel_arrive_in_order(Deployment { here, there }: &Deployment) {
    let channels = [chat(), user(), chat()];
    let (subscription, mut deliveries) = there.subscribe(1_000).await.unwrap();
    subscription.add(&channels).await.unwrap();
    for batch in 0..10 {
        let numbers = batch * 20..(batch + 1) * 20;
        let messages = numbers.flat_map(|number| channels.map(|channel| (channel, text(number)))).collect();
        here.publish(messages).await.unwrap();
    }
    let mut expected = channels.map(|channel| (channel, 0));
    for _ in 0..600 {
        let (channel, payload) = message(&mut deliveries).await;
        let (_, number) = expected.iter_mut().find(|(other, _)| *other == channel).unwrap();
        assert_eq!(payload, text(*number));
        *number += 1;
    }
    assert!(expected.iter().all(|(_, number)| *number == 200));
}

pub async fn what_is_published_after_add_is_delivered(Deployment { here, there }: &Deployment) {
    let (subscription, mut deliveries) = there.subscribe(10).await.unwrap();
    for number in 0..50 {
        let channel = if number % 2 == 0 { chat() } else { user() };
        subscription.add(&[channel]).await.unwrap();
        here.publish(vec![(channel, text(number))]).await.unwrap();
        assert_eq!(message(&mut deliveries).await, (channel, text(number)));
    }
}

pub async fn a_removed_channel_is_silent_until_it_is_added_again(Deployment { here, there }: &Deployment) {
    let (gone, kept) = (chat(), chat());
    let (subscription, mut deliveries) = there.subscribe(10).await.unwrap();
    subscription.add(&[gone, kept]).await.unwrap();
    subscription.remove(&[gone]).await.unwrap();
    here.publish(vec![(gone, text("unheard")), (kept, text("heard"))]).await.unwrap();
    assert_eq!(message(&mut deliveries).await, (kept, text("heard")));
    subscription.add(&[gone]).await.unwrap();
    here.publish(vec![(gone, text("again"))]).await.unwrap();
    assert_eq!(message(&mut deliveries).await, (gone, text("again")));
    subscription.remove(&[gone, chat()]).await.unwrap();
}

pub async fn every_subscriber_gets_every_payload(Deployment { here, there }: &Deployment) {
    let (common, own) = (chat(), user());
    let (first, mut to_first) = here.subscribe(10).await.unwrap();
    let (second, mut to_second) = there.subscribe(10).await.unwrap();
    first.add(&[common]).await.unwrap();
    first.add(&[common]).await.unwrap();
    second.add(&[common, own]).await.unwrap();
    for (number, live) in [(1, here), (2, there)] {
        live.publish(vec![(common, text(number))]).await.unwrap();
        assert_eq!(message(&mut to_first).await, (common, text(number)));
        assert_eq!(message(&mut to_second).await, (common, text(number)));
    }
    here.publish(vec![(own, text(3))]).await.unwrap();
    assert_eq!(message(&mut to_second).await, (own, text(3)));
    assert!(to_first.try_recv().is_err());
}

pub async fn a_full_queue_drops_and_tells_once(Deployment { here, there }: &Deployment) {
    let channel = chat();
    let (subscription, mut deliveries) = there.subscribe(4).await.unwrap();
    subscription.add(&[channel]).await.unwrap();
    here.publish((0..40).map(|number| (channel, text(number))).collect()).await.unwrap();
    eventually(DEADLINE, || async { deliveries.len() == 5 }).await;
    for number in 0..4 {
        assert_eq!(message(&mut deliveries).await, (channel, text(number)));
    }
    assert_eq!(next(&mut deliveries).await, Delivery::Interrupted);
    // Some of the forty may still be on their way here; listening goes on behind them.
    let later = Delivery::Message { channel, payload: text("later") };
    let all_deliveries = async {
        loop {
            here.publish(vec![(channel, text("later"))]).await.unwrap();
            if next(&mut deliveries).await == later {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, all_deliveries).await.expect("listening goes on");
}

pub async fn a_slow_subscriber_does_not_hold_up_others(Deployment { here, there }: &Deployment) {
    let channel = chat();
    let (slow, mut to_slow) = there.subscribe(1).await.unwrap();
    let (quick, mut to_quick) = there.subscribe(100).await.unwrap();
    slow.add(&[channel]).await.unwrap();
    quick.add(&[channel]).await.unwrap();
    here.publish((0..100).map(|number| (channel, text(number))).collect()).await.unwrap();
    for number in 0..100 {
        assert_eq!(message(&mut to_quick).await, (channel, text(number)));
    }
    interruption(&mut to_slow).await;
}

pub async fn a_dropped_subscription_ends(Deployment { here, there }: &Deployment) {
    let channel = chat();
    let (subscription, mut deliveries) = there.subscribe(10).await.unwrap();
    subscription.add(&[channel]).await.unwrap();
    drop(subscription);
    let end = tokio::time::timeout(DEADLINE, deliveries.recv()).await.expect("the end in time");
    assert_eq!(end, None);
    here.publish(vec![(channel, text("nobody listens"))]).await.unwrap();
}

pub async fn nothing_asked_is_nothing_done(Deployment { here, .. }: &Deployment) {
    here.publish(Vec::new()).await.unwrap();
    let (subscription, _deliveries) = here.subscribe(1).await.unwrap();
    subscription.add(&[]).await.unwrap();
    subscription.remove(&[]).await.unwrap();
    assert!(here.get_many(&[]).await.unwrap().is_empty());
    let key = unique("nothing:");
    let one = [key.clone()];
    here.add_to_sets(&one, &[], LONG).await.unwrap();
    here.add_to_sets(&[], &names(&["a"]), LONG).await.unwrap();
    assert_eq!(here.remove_from_sets(&one, &[]).await.unwrap(), [0]);
    assert!(here.remove_from_sets(&[], &[]).await.unwrap().is_empty());
    assert!(here.members_of_sets(&[]).await.unwrap().is_empty());
    here.remove(&key).await.unwrap();
}

pub async fn keys_hold_what_was_set_last(Deployment { here, there }: &Deployment) {
    let keys: Vec<String> = (0..50).map(|_| unique("key:")).collect();
    let binary = Bytes::from_static(&[0, 255, 13, 10, 0]);
    for (number, key) in keys.iter().enumerate() {
        here.set(key, text(number), LONG).await.unwrap();
    }
    here.set(keys.first().unwrap(), binary.clone(), LONG).await.unwrap();
    there.remove(keys.last().unwrap()).await.unwrap();
    let mut expected: Vec<Option<Bytes>> = (0..50).map(|number| Some(text(number))).collect();
    *expected.first_mut().unwrap() = Some(binary);
    *expected.last_mut().unwrap() = None;
    assert_eq!(there.get_many(&keys).await.unwrap(), expected);
}

pub async fn a_key_ends_with_its_time(Deployment { here, there }: &Deployment) {
    let key = unique("ends:");
    here.set(&key, text("first"), SHORT).await.unwrap();
    here.set(&key, text("last"), LONG).await.unwrap();
    assert_eq!(value(there, &key).await, Some(text("last")));
    let set_at = Instant::now();
    here.set(&key, text("short"), SHORT).await.unwrap();
    eventually(DEADLINE, async || value(there, &key).await.is_none()).await;
    assert!(set_at.elapsed() >= SHORT - Duration::from_millis(2), "it ended {:?} after it was set", set_at.elapsed());
    here.set(&key, text("at once"), Duration::ZERO).await.unwrap();
    eventually(DEADLINE, async || value(there, &key).await.is_none()).await;
}

pub async fn a_prolonged_key_lives_on_and_an_ended_one_stays_ended(Deployment { here, there }: &Deployment) {
    let (key, set) = (unique("lease:"), [unique("set:")]);
    assert!(!here.prolong(&key, LONG).await.unwrap());
    here.set(&key, text("held"), LONG).await.unwrap();
    here.add_to_sets(&set, &names(&["a"]), LONG).await.unwrap();
    assert!(there.prolong(set.first().unwrap(), SHORT).await.unwrap());
    assert!(there.prolong(&key, SHORT).await.unwrap());
    assert_eq!(value(here, &key).await, Some(text("held")));
    eventually(DEADLINE, async || value(here, &key).await.is_none()).await;
    assert!(!here.prolong(&key, LONG).await.unwrap());
    assert_eq!(value(there, &key).await, None);
    eventually(DEADLINE, async || members(here, &set).await.is_empty()).await;
    let other = unique("ends:");
    here.set(&key, text("prolonged"), SHORT).await.unwrap();
    assert!(there.prolong(&key, LONG).await.unwrap());
    here.set(&other, text("not prolonged"), SHORT).await.unwrap();
    eventually(DEADLINE, async || value(there, &other).await.is_none()).await;
    assert_eq!(value(there, &key).await, Some(text("prolonged")));
}

pub async fn only_the_first_sets_an_absent_key(Deployment { here, there }: &Deployment) {
    let key = unique("absent:");
    let tries = (0..20).map(|number| {
        let (live, key) = (if number % 2 == 0 { here } else { there }, &key);
        async move { live.set_if_absent(key, text(number), LONG).await.unwrap().then_some(number) }
    });
    let winners: Vec<i32> = join_all(tries).await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(value(there, &key).await, winners.first().map(text));
    here.remove(&key).await.unwrap();
    assert!(there.set_if_absent(&key, text("short"), SHORT).await.unwrap());
    eventually(DEADLINE, async || here.set_if_absent(&key, text("next"), LONG).await.unwrap()).await;
    assert_eq!(value(there, &key).await, Some(text("next")));
}

pub async fn a_set_tells_its_members_and_how_many_remain(Deployment { here, there }: &Deployment) {
    let key = [unique("set:")];
    assert!(members(there, &key).await.is_empty());
    assert_eq!(there.remove_from_sets(&key, &names(&["a"])).await.unwrap(), [0]);
    here.add_to_sets(&key, &names(&["a", "b", "a"]), LONG).await.unwrap();
    there.add_to_sets(&key, &names(&["b", "c"]), LONG).await.unwrap();
    assert_eq!(members(there, &key).await, ["a", "b", "c"]);
    assert_eq!(here.remove_from_sets(&key, &names(&["b", "x"])).await.unwrap(), [2]);
    assert_eq!(members(there, &key).await, ["a", "c"]);
    assert_eq!(here.remove_from_sets(&key, &[]).await.unwrap(), [2]);
    assert_eq!(here.remove_from_sets(&key, &names(&["a", "c"])).await.unwrap(), [0]);
    assert!(members(there, &key).await.is_empty());
}

pub async fn many_sets_are_answered_in_order(Deployment { here, there }: &Deployment) {
    let keys: Vec<String> = (0..2_500).map(|_| unique("set:")).collect();
    let (odd, even): (Vec<_>, Vec<_>) = keys.iter().cloned().enumerate().partition(|(number, _)| number % 2 == 1);
    let keys_of = |numbered: Vec<(usize, String)>| numbered.into_iter().map(|(_, key)| key).collect::<Vec<_>>();
    here.add_to_sets(&keys, &names(&["all"]), LONG).await.unwrap();
    here.add_to_sets(&keys_of(odd), &names(&["odd", "o"]), LONG).await.unwrap();
    there.remove_from_sets(&keys_of(even), &names(&["all"])).await.unwrap();
    let found = there.members_of_sets(&keys).await.unwrap();
    assert_eq!(found.len(), keys.len());
    for (number, mut members) in found.into_iter().enumerate() {
        members.sort();
        let expected = if number % 2 == 1 { names(&["all", "o", "odd"]) } else { Vec::new() };
        assert_eq!(members, expected, "set {number}");
    }
    let left = here.remove_from_sets(&keys, &names(&["odd"])).await.unwrap();
    assert!(left.iter().enumerate().all(|(number, left)| *left == if number % 2 == 1 { 2 } else { 0 }));
}

pub async fn a_set_ends_after_its_last_addition(Deployment { here, there }: &Deployment) {
    let key = [unique("set:")];
    here.add_to_sets(&key, &names(&["a"]), SHORT).await.unwrap();
    here.add_to_sets(&key, &names(&["b"]), LONG).await.unwrap();
    here.add_to_sets(&key, &names(&["a"]), SHORT).await.unwrap();
    assert_eq!(members(there, &key).await, ["a", "b"]);
    eventually(DEADLINE, async || members(there, &key).await.is_empty()).await;
}

pub async fn kinds_of_values_are_not_mixed(Deployment { here, .. }: &Deployment) {
    let (key, one) = (unique("kind:"), names(&["a"]));
    let keys = [key.clone()];
    here.set(&key, text("value"), LONG).await.unwrap();
    assert!(matches!(here.add_to_sets(&keys, &one, LONG).await, Err(Error::WrongKind)));
    assert!(matches!(here.remove_from_sets(&keys, &one).await, Err(Error::WrongKind)));
    assert!(matches!(here.members_of_sets(&keys).await, Err(Error::WrongKind)));
    here.remove(&key).await.unwrap();
    here.add_to_sets(&keys, &one, LONG).await.unwrap();
    assert_eq!(value(here, &key).await, None);
    assert!(matches!(here.take_token(&key, SLOW_BUCKET).await, Err(Error::WrongKind)));
    here.set(&key, text("whatever it was"), LONG).await.unwrap();
    assert_eq!(value(here, &key).await, Some(text("whatever it was")));
}

/// Slow enough that no token comes while a test takes what is there.
const SLOW_BUCKET: TokenBucket = TokenBucket { capacity: 3, refill_per_sec: 0.5 };

pub async fn a_bucket_gives_its_capacity_and_then_tells_when_to_come_again(Deployment { here, there }: &Deployment) {
    let key = unique("bucket:");
    for left in [2, 1, 0] {
        let decision = here.take_token(&key, SLOW_BUCKET).await.unwrap();
        assert_eq!(decision, TokenDecision::Taken { remaining: left });
    }
    let asked_at = Instant::now();
    let TokenDecision::Empty { retry_after } = there.take_token(&key, SLOW_BUCKET).await.unwrap() else {
        panic!("a fourth token of three");
    };
    assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_secs(2), "{retry_after:?}");
    let decision = eventually(DEADLINE, async || match here.take_token(&key, SLOW_BUCKET).await.unwrap() {
        TokenDecision::Empty { .. } => None,
        taken @ TokenDecision::Taken { .. } => Some(taken),
    })
    .await;
    assert_eq!(decision, TokenDecision::Taken { remaining: 0 });
    assert!(asked_at.elapsed() + Duration::from_millis(2) >= retry_after, "a token came before it was due");
}

pub async fn concurrent_callers_share_a_bucket(Deployment { here, there }: &Deployment) {
    let key = unique("bucket:");
    let bucket = TokenBucket { capacity: 10, refill_per_sec: 0.01 };
    let tries = (0..40).map(|number| (if number % 2 == 0 { here } else { there }).take_token(&key, bucket));
    let decisions = join_all(tries).await;
    let taken = decisions.iter().filter(|decision| matches!(decision, Ok(TokenDecision::Taken { .. }))).count();
    assert_eq!(taken, 10, "{decisions:?}");
}

pub async fn the_store_answers(Deployment { here, there }: &Deployment) {
    here.check().await.unwrap();
    there.check().await.unwrap();
}

async fn value(live: &Arc<dyn Live>, key: &str) -> Option<Bytes> {
    live.get_many(&[key.to_owned()]).await.unwrap().pop().flatten()
}

async fn members(live: &Arc<dyn Live>, key: &[String; 1]) -> Vec<String> {
    let mut members = live.members_of_sets(key).await.unwrap().pop().unwrap();
    members.sort();
    members
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}
