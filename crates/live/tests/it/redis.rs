use std::sync::Arc;
use std::time::Duration;

use godwit_live::redis::{RedisLive, RedisOptions};
use godwit_live::{Channel, Delivery, Error, Live};
use godwit_testkit::{env, eventually, unique};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::conformance::Deployment;
use crate::server::{Server, open};
use crate::support::{DEADLINE, chat, interruption, message, text, user};

/// Far more than a refusal needs, far less than waiting for a dead server a hundred times.
const AT_ONCE: Duration = Duration::from_secs(3);

async fn two_processes() -> Deployment {
    let prefix = unique("test:");
    let live = async || Arc::new(open(env::redis_url(), false, prefix.clone()).await);
    Deployment { here: live().await, there: live().await }
}

suite!(two_processes);

#[tokio::test]
async fn deployments_on_one_server_do_not_hear_each_other() {
    let (ours, theirs) = (two_processes().await.here, two_processes().await.here);
    let channel = Channel::Sessions;
    let (subscription, mut deliveries) = ours.subscribe(10).await.unwrap();
    subscription.add(&[channel]).await.unwrap();
    theirs.publish(vec![(channel, text("theirs"))]).await.unwrap();
    ours.publish(vec![(channel, text("ours"))]).await.unwrap();
    assert_eq!(message(&mut deliveries).await, (channel, text("ours")));
    theirs.set("key", text("theirs"), DEADLINE).await.unwrap();
    assert_eq!(ours.get_many(&["key".to_owned()]).await.unwrap(), [None]);
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    for url in ["", "redis", "http://127.0.0.1", "redis://127.0.0.1,", "unix:///tmp/redis"] {
        let options = RedisOptions { url: url.to_owned(), cluster: false, key_prefix: String::new() };
        assert!(matches!(RedisLive::connect(options).await, Err(Error::Address(_))), "{url}");
    }
}

/// Listens to many channels of every kind; none of them may be forgotten on the way.
async fn listen(live: &RedisLive) -> (Box<dyn godwit_live::Subscription>, mpsc::Receiver<Delivery>, Vec<Channel>) {
    let (subscription, deliveries) = live.subscribe(10_000).await.unwrap();
    let mut channels: Vec<Channel> = (0..700).flat_map(|_| [chat(), user()]).collect();
    channels.push(Channel::Sessions);
    subscription.add(&channels).await.unwrap();
    (subscription, deliveries, channels)
}

async fn hears_all(live: &RedisLive, channels: &[Channel], deliveries: &mut mpsc::Receiver<Delivery>) {
    live.publish(channels.iter().map(|channel| (*channel, text(channel))).collect()).await.unwrap();
    for channel in channels {
        assert_eq!(message(deliveries).await, (*channel, text(channel)));
    }
}

#[tokio::test]
async fn killed_connections_are_replaced_and_every_channel_heard_again() {
    let server = Server::start(&[]).await;
    let live = server.live().await;
    let (subscription, mut deliveries, channels) = listen(&live).await;
    hears_all(&live, &channels, &mut deliveries).await;
    for _ in 0..3 {
        let killed: u32 = server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await.unwrap();
        assert_eq!(killed, 1);
        interruption(&mut deliveries).await;
        hears_all(&live, &channels, &mut deliveries).await;
    }
    let _: u32 = server.ask(&["CLIENT", "KILL", "TYPE", "normal"]).await.unwrap();
    eventually(DEADLINE, async || live.check().await).await;
    subscription.remove(&channels).await.unwrap();
    let heard: Vec<String> = server.ask(&["PUBSUB", "SHARDCHANNELS"]).await.unwrap();
    assert!(heard.is_empty(), "{heard:?}");
}

#[tokio::test]
async fn after_a_restart_every_channel_is_heard_again() {
    let mut server = Server::start(&[]).await;
    let live = server.live().await;
    let (subscription, mut deliveries, mut channels) = listen(&live).await;
    server.kill();
    eventually(DEADLINE, async || live.check().await.is_err()).await;
    let (added, removed) = (chat(), channels.pop().unwrap());
    assert!(subscription.add(&[added]).await.is_err(), "nobody is there to listen at");
    channels.push(added);
    // Forgotten all the same, whatever this answers: the link that held it is gone.
    let _ = subscription.remove(&[removed]).await;
    server.start_again().await;
    interruption(&mut deliveries).await;
    eventually(DEADLINE, async || live.check().await).await;
    live.publish(vec![(removed, text("unheard"))]).await.unwrap();
    hears_all(&live, &channels, &mut deliveries).await;
}

#[tokio::test]
async fn a_frozen_server_is_noticed_by_its_subscribers() {
    let server = Server::start(&[]).await;
    let live = server.live().await;
    let (subscription, mut deliveries, channels) = listen(&live).await;
    server.freeze();
    // The server keeps the connection open: only its silence tells that the link is of no use.
    eventually(DEADLINE, async || subscription.add(&channels).await.is_err()).await;
    assert!(deliveries.try_recv().is_err(), "told before listening goes on");
    server.thaw();
    interruption(&mut deliveries).await;
    eventually(DEADLINE, async || live.check().await).await;
    hears_all(&live, &channels, &mut deliveries).await;
}

#[tokio::test]
async fn while_the_server_is_down_everything_fails_at_once_and_then_recovers() {
    let mut server = Server::start(&[]).await;
    let live = server.live().await;
    live.publish(vec![(chat(), text("up"))]).await.unwrap();
    server.kill();
    eventually(DEADLINE, async || live.check().await.is_err()).await;
    timeout(AT_ONCE, async {
        for _ in 0..100 {
            let published = live.publish(vec![(chat(), text("down")), (user(), text("down"))]).await;
            assert!(published.unwrap_err().is_unavailable());
            assert!(live.set("key", text("down"), DEADLINE).await.unwrap_err().is_unavailable());
        }
    })
    .await
    .expect("a server that is known to be down costs no time");
    server.start_again().await;
    eventually(DEADLINE, async || live.publish(vec![(chat(), text("up again"))]).await).await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_waited_for_once() {
    let server = Server::start(&[]).await;
    let live = server.live().await;
    server.freeze();
    let first = timeout(AT_ONCE, live.publish(vec![(chat(), text("frozen"))])).await;
    assert!(first.expect("the wait is bounded").unwrap_err().is_unavailable());
    timeout(AT_ONCE, async {
        for _ in 0..100 {
            assert!(live.publish(vec![(chat(), text("frozen"))]).await.unwrap_err().is_unavailable());
        }
    })
    .await
    .expect("a server that is known to hang costs no time");
    server.thaw();
    eventually(DEADLINE, async || live.publish(vec![(chat(), text("thawed"))]).await).await;
}

#[tokio::test]
async fn a_process_starts_without_its_server_and_finds_it_later() {
    let mut server = Server::start(&[]).await;
    server.kill();
    let live = server.live().await;
    assert!(live.check().await.is_err());
    let (subscription, mut deliveries) = live.subscribe(10).await.unwrap();
    let channel = user();
    assert!(subscription.add(&[channel]).await.is_err());
    server.start_again().await;
    interruption(&mut deliveries).await;
    eventually(DEADLINE, async || live.publish(vec![(channel, text("found"))]).await).await;
    assert_eq!(message(&mut deliveries).await, (channel, text("found")));
}

#[tokio::test]
async fn a_full_server_is_told_from_a_dead_one() {
    let server = Server::start(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]).await;
    let live = server.live().await;
    assert!(matches!(live.set("key", text("value"), DEADLINE).await, Err(Error::Full)));
    assert!(matches!(live.add_to_sets(&["set".to_owned()], &["a".to_owned()], DEADLINE).await, Err(Error::Full)));
    live.check().await.unwrap();
}

#[tokio::test]
async fn a_server_that_became_a_replica_is_left() {
    let (master, server) = (Server::start(&[]).await, Server::start(&[]).await);
    let live = server.live().await;
    let () = server.ask(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]).await.unwrap();
    let connections = async || -> u64 {
        let info: String = server.ask(&["INFO", "stats"]).await.unwrap();
        let count = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        count.unwrap().parse().unwrap()
    };
    let before = connections().await;
    assert!(live.set("key", text("value"), DEADLINE).await.unwrap_err().is_unavailable());
    // Each look opens a connection, and the last one saw itself.
    let mut looks = 0;
    eventually(DEADLINE, || {
        looks += 1;
        let looks = looks;
        let opened = connections();
        async move { opened.await > before + looks }
    })
    .await;
    let () = server.ask(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    eventually(DEADLINE, async || live.set("key", text("value"), DEADLINE).await).await;
}

#[tokio::test]
async fn a_wrong_password_is_not_taken_for_a_good_server() {
    let server = Server::start(&[]).await;
    let () = server.ask(&["CONFIG", "SET", "requirepass", "right"]).await.unwrap();
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", server.port);
    let open = async |password: &str| open(url(password), false, unique("test:")).await;
    assert!(open("wrong").await.check().await.is_err());
    open("right").await.check().await.unwrap();
}
