use std::sync::Arc;

use godwit_live::redis::RedisLive;
use godwit_live::{Channel, Delivery, Live};
use godwit_testkit::{eventually, unique};
use tokio::sync::mpsc;

use crate::conformance::{self, Deployment};
use crate::server::{Server, open};
use crate::support::{DEADLINE, chat, interruption, message, text, user};

const MASTERS: usize = 3;
const SLOTS: usize = 16_384;

struct Cluster {
    masters: Vec<Server>,
}

impl Cluster {
    /// Three masters with a third of the slots each.
    async fn start() -> Self {
        let mut masters = Vec::new();
        for _ in 0..MASTERS {
            let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
            masters.push(Server::start(&arguments).await);
        }
        let cluster = Self { masters };
        let (first, others) = cluster.masters.split_first().unwrap();
        for (index, master) in cluster.masters.iter().enumerate() {
            let (from, to) = (index * SLOTS / MASTERS, (index + 1) * SLOTS / MASTERS - 1);
            let _: () = ask(master, &["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()]).await;
        }
        for other in others {
            let _: () = ask(first, &["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string()]).await;
        }
        cluster.agrees().await;
        cluster
    }

    /// Waits until every master knows of every other and of who holds what.
    async fn agrees(&self) {
        for master in &self.masters {
            eventually(DEADLINE, async || {
                let info: String = master.ask(&["CLUSTER", "INFO"]).await.map_err(|error| error.to_string())?;
                let agrees = info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384");
                if agrees && info.contains("cluster_size:3") { Ok(()) } else { Err(info) }
            })
            .await;
        }
    }

    fn urls(&self) -> String {
        self.masters.iter().map(Server::url).collect::<Vec<_>>().join(",")
    }

    async fn live(&self, prefix: &str) -> RedisLive {
        open(self.urls(), true, prefix.to_owned()).await
    }

    /// Gives a slot to another master, as an operator does; returns whom it was taken from.
    async fn move_slot(&self, slot: u16, holder: usize) {
        let to = (holder + 1) % MASTERS;
        let id: String = ask(self.masters.get(to).unwrap(), &["CLUSTER", "MYID"]).await;
        // The new holder first: it raises the epoch that settles the matter.
        for master in [to, holder, (to + 1) % MASTERS] {
            let words = ["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id];
            let _: () = ask(self.masters.get(master).unwrap(), &words).await;
        }
    }

    /// Which master listens for this channel name, and its slot.
    async fn holder_of(&self, name: &str) -> (usize, u16) {
        let slot: u16 = ask(self.masters.first().unwrap(), &["CLUSTER", "KEYSLOT", name]).await;
        for (index, master) in self.masters.iter().enumerate() {
            let channels: Vec<String> = ask(master, &["PUBSUB", "SHARDCHANNELS"]).await;
            if channels.iter().any(|channel| channel == name) {
                return (index, slot);
            }
        }
        panic!("nobody listens to {name}");
    }
}

async fn ask<T: deadpool_redis::redis::FromRedisValue>(server: &Server, words: &[&str]) -> T {
    server.ask(words).await.unwrap()
}

async fn hears_all(live: &RedisLive, channels: &[Channel], deliveries: &mut mpsc::Receiver<Delivery>) {
    live.publish(channels.iter().map(|channel| (*channel, text(channel))).collect()).await.unwrap();
    let mut heard = Vec::new();
    for _ in channels {
        let (channel, payload) = message(deliveries).await;
        assert_eq!(payload, text(channel));
        heard.push(channel);
    }
    heard.sort();
    let mut expected = channels.to_vec();
    expected.sort();
    assert_eq!(heard, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_keeps_all_promises() {
    let cluster = Cluster::start().await;
    let prefix = unique("test:");
    let live = async || Arc::new(cluster.live(&prefix).await);
    conformance::passes(&Deployment { here: live().await, there: live().await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_master_is_listened_to_again() {
    let mut cluster = Cluster::start().await;
    let live = cluster.live("test:").await;
    let (subscription, mut deliveries) = live.subscribe(10_000).await.unwrap();
    let channels: Vec<Channel> = (0..300).flat_map(|_| [chat(), user()]).collect();
    subscription.add(&channels).await.unwrap();
    hears_all(&live, &channels, &mut deliveries).await;

    let killed: u32 = ask(cluster.masters.last().unwrap(), &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    assert_eq!(killed, 1);
    interruption(&mut deliveries).await;
    hears_all(&live, &channels, &mut deliveries).await;

    let master = cluster.masters.first_mut().unwrap();
    master.kill();
    eventually(DEADLINE, async || live.check().await.is_err()).await;
    master.start_again().await;
    cluster.agrees().await;
    interruption(&mut deliveries).await;
    eventually(DEADLINE, async || live.check().await).await;
    // A first try may reach a master that has not heard yet that the cluster is whole again.
    eventually(DEADLINE, async || subscription.add(&channels).await).await;
    while deliveries.try_recv().is_ok() {}
    hears_all(&live, &channels, &mut deliveries).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_is_followed() {
    let cluster = Cluster::start().await;
    let live = cluster.live("test:").await;
    let (subscription, mut deliveries) = live.subscribe(100).await.unwrap();
    let channel = chat();
    subscription.add(&[channel]).await.unwrap();
    let (holder, slot) = cluster.holder_of(&format!("test:{channel}")).await;
    cluster.move_slot(slot, holder).await;
    interruption(&mut deliveries).await;
    live.publish(vec![(channel, text("moved"))]).await.unwrap();
    assert_eq!(message(&mut deliveries).await, (channel, text("moved")));
    let (now_at, _) = cluster.holder_of(&format!("test:{channel}")).await;
    assert_ne!(now_at, holder);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_redirected_once_their_slot_has_moved() {
    let cluster = Cluster::start().await;
    let live = cluster.live("").await;
    let (key, other) = ("moving", "staying");
    live.check().await.unwrap();
    let slot: u16 = ask(cluster.masters.first().unwrap(), &["CLUSTER", "KEYSLOT", key]).await;
    let holder = usize::from(slot) * MASTERS / SLOTS;
    cluster.move_slot(slot, holder).await;
    live.set(key, text("here"), DEADLINE).await.unwrap();
    cluster.agrees().await;
    live.set(other, text("there"), DEADLINE).await.unwrap();
    let values = live.get_many(&[other.to_owned(), key.to_owned()]).await.unwrap();
    assert_eq!(values, [Some(text("there")), Some(text("here"))]);
}
