//! Notifications on phones, from what people do to Apple's and Google's doors.

mod calls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use godwit_contract::chat::v1::CreateGroupResponse;
use godwit_contract::message::v1::SendMessageResponse;
use godwit_contract::v1::Message;
use godwit_kernel::SystemClock;
use godwit_testkit::{ClusterOptions, Shape, TestCluster, eventually, http_client};
use serde_json::{Value, json};

use crate::support::stage::apns::{Apns, Pushed};
use crate::support::stage::fcm::Fcm;
use crate::support::stage::tls::Authority;
use crate::support::{Account, Encoding, OwnServers, fresh_uuid, query};

/// A rebalance alone may take as long as a session lasts that nobody ended.
const PATIENCE: Duration = Duration::from_secs(120);

/// Stand-ins for Apple's and Google's push services, and a cluster that has an account at each.
struct World {
    cluster: TestCluster,
    apple: Apns,
    google: Fcm,
    _authority: Authority,
}

impl World {
    async fn start(options: ClusterOptions) -> Self {
        let authority = Authority::new();
        let apple = Apns::open(&authority, Arc::new(SystemClock)).await;
        let google = Fcm::open(&authority, Arc::new(SystemClock)).await;
        let certificate = authority.pem_file().display().to_string();
        let mut options = options.variable("GODWIT_PUSH_PROVIDER_ROOT_CA", certificate);
        for (name, value) in apple.variables() {
            options = options.variable(name, value);
        }
        for option in google.options() {
            let (name, value) = variable_of(&option);
            options = options.variable(&name, value);
        }
        Self { cluster: options.start().await, apple, google, _authority: authority }
    }

    /// Somebody with a phone.
    async fn person(&self, name: &str) -> Phone {
        let account = Account::create(&self.cluster, name).await;
        Phone::of(account).await
    }

    /// What a phone was told of messages, by text.
    fn told(&self, phone: &Phone) -> BTreeMap<String, Pushed> {
        let pushed = self.apple.at(&phone.token).into_iter();
        let messages = pushed.filter(|pushed| pushed.payload["godwit"]["kind"] == "message_created");
        messages.map(|pushed| (pushed.payload["godwit"]["text"].as_str().unwrap().to_owned(), pushed)).collect()
    }

    async fn arrival(&self, phone: &Phone, text: &str) -> Pushed {
        eventually(PATIENCE, async || self.told(phone).get(text).cloned()).await
    }

    /// What a process counts under a name with these labels.
    async fn counted(&self, process: &str, name: &str, labels: &[&str]) -> u64 {
        let metrics = http_client().get(self.cluster.metrics_url(process)).send().await.unwrap().text().await.unwrap();
        let is_it = |line: &&str| {
            line.split_once('{')
                .is_some_and(|(first, rest)| first == name && labels.iter().all(|label| rest.contains(label)))
        };
        metrics.lines().filter(is_it).map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// How many deliveries to Apple ended so.
    async fn outcomes(&self, process: &str, outcome: &str) -> u64 {
        let outcome = format!("outcome=\"{outcome}\"");
        self.counted(process, "godwit_push_deliveries_total", &["provider=\"apns\"", &outcome]).await
    }
}

/// `--push-fcm-url=…` as the variable `GODWIT_PUSH_FCM_URL`.
fn variable_of(option: &str) -> (String, &str) {
    let (name, value) = option.trim_start_matches("--").split_once('=').unwrap();
    (format!("GODWIT_{}", name.to_uppercase().replace('-', "_")), value)
}

async fn register(account: &Account, provider: &str, token: &str) {
    let body = json!({"provider": provider, "token": token});
    account.rest.post("/devices/push-token", body).await.created::<Value>();
}

/// A device of somebody with a token of Apple's.
struct Phone {
    account: Account,
    token: String,
}

impl Phone {
    async fn of(account: Account) -> Self {
        let token = fresh_uuid().replace('-', "");
        register(&account, "PUSH_PROVIDER_APNS", &token).await;
        Self { account, token }
    }

    /// Another device of the same person.
    async fn another(&self, world: &World) -> Self {
        let Account { username, email, .. } = &self.account;
        Self::of(Account::log_in(world.cluster.gateway(), username, email).await).await
    }
}

/// Sends a text that is sent once.
async fn say(sender: &Account, chat_id: &str, text: &str) -> Message {
    sender.send(chat_id, &text.replace(' ', "-"), text).await
}

async fn group(owner: &Account, members: &[&Phone]) -> String {
    let ids: Vec<&str> = members.iter().map(|member| member.account.user_id.as_str()).collect();
    let body = json!({"title": "Garden", "member_ids": ids, "client_chat_id": fresh_uuid()});
    let created: CreateGroupResponse = owner.rest.post("/chats/group", body).await.created();
    created.chat.expect("the group is returned").id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_is_told_but_not_who_looks_mutes_or_has_read() {
    let mut world = World::start(ClusterOptions::new(Shape::Embedded)).await;
    let ada = Account::create(&world.cluster, "ada").await;
    let (bob, cem) = (world.person("bob").await, world.person("cem").await);
    let chat_id = group(&ada, &[&bob, &cem]).await;

    say(&ada, &chat_id, "hello").await;
    let pushed = world.arrival(&bob, "hello").await;
    assert_eq!(pushed.payload["aps"]["alert"], json!({"title": "Garden", "subtitle": "ada", "body": "hello"}));
    assert_eq!((&pushed.payload["aps"]["badge"], &pushed.payload["aps"]["category"]), (&json!(1), &json!("MESSAGE")));

    looking(&world, &ada, &chat_id, &bob).await;
    muted(&world, &ada, &chat_id, [&bob, &cem]).await;
    read_elsewhere(&mut world, &ada, &chat_id, [&bob, &cem]).await;

    // Whoever logs out is told of nothing any more.
    bob.account.rest.post("/auth/logout", json!({})).await.ok::<Value>();
    let forgotten = async || world.counted("all", "godwit_push_addresses_total", &["change=\"logged_out\""]).await > 0;
    eventually(PATIENCE, forgotten).await;
    say(&ada, &chat_id, "good night").await;
    world.arrival(&cem, "good night").await;
    assert!(!world.told(&bob).contains_key("good night"));
}

/// The tablet that is in front of Bob is not told, his phone is.
async fn looking(world: &World, ada: &Account, chat_id: &str, bob: &Phone) {
    let tablet = bob.another(world).await;
    let _socket = tablet.account.connect(Encoding::Json).await;
    // Presence hears a moment after it that the tablet is there.
    let mut round = 0;
    while world.outcomes("all", "in_front").await == 0 {
        round += 1;
        let text = format!("are you there {round}");
        say(ada, chat_id, &text).await;
        world.arrival(bob, &text).await;
        eventually(PATIENCE, async || {
            world.told(&tablet).contains_key(&text) || world.outcomes("all", "in_front").await > 0
        })
        .await;
    }
    let before = world.told(&tablet).len();
    for round in 1..=3 {
        let text = format!("look {round}");
        say(ada, chat_id, &text).await;
        world.arrival(bob, &text).await;
        eventually(PATIENCE, async || world.outcomes("all", "in_front").await > round).await;
    }
    assert_eq!(world.told(&tablet).len(), before);
}

/// Both are members of one page, so what comes to the one was decided for the other.
async fn muted(world: &World, ada: &Account, chat_id: &str, [bob, cem]: [&Phone; 2]) {
    bob.account.rest.post(&format!("/chats/{chat_id}/mute"), json!({})).await.ok::<Value>();
    say(ada, chat_id, "quiet").await;
    world.arrival(cem, "quiet").await;
    let mention = json!({"kind": "ENTITY_KIND_MENTION", "offset": 0, "length": 3, "user_id": bob.account.user_id});
    let body = json!({"client_message_id": "mention", "text": "Bob!", "entities": [mention]});
    let sent: SendMessageResponse = ada.rest.post(&format!("/chats/{chat_id}/messages"), body).await.created();
    assert_eq!(sent.message.unwrap().entities.len(), 1);
    assert_eq!(world.arrival(bob, "Bob!").await.payload["godwit"]["is_mention"], json!(true));
    bob.account.rest.delete(&format!("/chats/{chat_id}/mute")).await.ok::<Value>();
    say(ada, chat_id, "loud").await;
    world.arrival(bob, "loud").await;
    assert!(!world.told(bob).contains_key("quiet"));
}

/// What Bob reads on another device while Apple cannot be reached never comes to his phone.
async fn read_elsewhere(world: &mut World, ada: &Account, chat_id: &str, [bob, cem]: [&Phone; 2]) {
    world.apple.server.stop().await;
    let message = say(ada, chat_id, "read on the tablet").await;
    let tablet = bob.another(world).await;
    let body = json!({"seq": message.seq.to_string()});
    tablet.account.rest.post(&format!("/chats/{chat_id}/read"), body).await.ok::<Value>();
    let cancelled = async || world.counted("all", "godwit_push_withdrawn_total", &["cause=\"read\""]).await > 0;
    eventually(PATIENCE, cancelled).await;
    // A try that was under way when it was read has failed by then.
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.apple.server.start_again().await;
    say(ada, chat_id, "afterwards").await;
    world.arrival(cem, "read on the tablet").await;
    world.arrival(bob, "afterwards").await;
    assert!(!world.told(bob).contains_key("read on the tablet"));
}

/// Each phone and text, and under which ids Apple has it, how often.
type Ledger = BTreeMap<(String, String), Vec<String>>;

fn ledger(world: &World) -> Ledger {
    let mut ledger = Ledger::new();
    for pushed in world.apple.all() {
        let data = &pushed.payload["godwit"];
        if data["kind"] == "message_created" {
            let message_id = data["message_id"].as_str().unwrap().to_owned();
            ledger.entry((pushed.token, message_id)).or_default().push(pushed.id);
        }
    }
    ledger
}

/// Who sends, where, and who must be told.
struct Traffic {
    ada: Account,
    phones: Vec<Phone>,
    chats: Vec<String>,
    sent: Vec<Message>,
}

impl Traffic {
    async fn send(&mut self, count: usize) {
        for _ in 0..count {
            for chat_id in &self.chats {
                let text = format!("message {}", self.sent.len());
                self.sent.push(say(&self.ada, chat_id, &text).await);
            }
        }
    }

    /// Every phone is told of everything, and of nothing twice: what would come again comes before what is sent last, and
    /// is not under way any more when nothing is.
    async fn all_told(&mut self, world: &World) {
        self.arrived(world).await;
        self.send(1).await;
        self.arrived(world).await;
        let under_way = "SELECT count(*) FROM push.deliveries WHERE state = 'pending'";
        eventually(PATIENCE, async || query(world.cluster.database_url(), under_way) == "0").await;
        let twice: Vec<_> = ledger(world).into_iter().filter(|(_, ids)| ids.len() > 1).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }

    /// Waits until every phone is told of everything.
    async fn arrived(&self, world: &World) {
        let expected: BTreeSet<(String, String)> = self
            .phones
            .iter()
            .flat_map(|phone| self.sent.iter().map(|message| (phone.token.clone(), message.id.clone())))
            .collect();
        eventually(PATIENCE, async || {
            let told: BTreeSet<(String, String)> = ledger(world).into_keys().collect();
            let missing: Vec<_> = expected.difference(&told).collect();
            if missing.is_empty() {
                Ok(())
            } else {
                Err(format!("{} of {} are missing", missing.len(), expected.len()))
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_told_twice_while_kafka_apple_and_push_stop_and_come_back() {
    let servers = OwnServers::start(&["kafka"]);
    let kafka = servers.variable("GODWIT_TEST_KAFKA");
    let options = ClusterOptions::new(Shape::Separate).variable("GODWIT_KAFKA_BOOTSTRAP_SERVERS", kafka);
    let mut world = World::start(options).await;
    let ada = Account::create(&world.cluster, "ada").await;
    let (bob, cem) = (world.person("bob").await, world.person("cem").await);
    let chats = vec![group(&ada, &[&bob, &cem]).await, group(&ada, &[&bob, &cem]).await];
    let bobs_other = bob.another(&world).await;
    let mut traffic = Traffic { ada, phones: vec![bob, bobs_other, cem], chats, sent: Vec::new() };
    traffic.send(5).await;
    traffic.all_told(&world).await;

    servers.stack("down", &["kafka"]);
    traffic.send(5).await;
    servers.stack("up", &["kafka"]);
    traffic.send(5).await;
    traffic.all_told(&world).await;

    world.apple.server.stop().await;
    traffic.send(10).await;
    eventually(PATIENCE, async || {
        world.outcomes("push", "postponed").await + world.outcomes("push", "released").await > 0
    })
    .await;
    world.apple.server.start_again().await;
    traffic.send(5).await;
    traffic.all_told(&world).await;

    world.cluster.kill("push");
    traffic.send(5).await;
    world.cluster.start_again("push").await;
    traffic.send(5).await;
    traffic.all_told(&world).await;
}
