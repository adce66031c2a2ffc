//! People who do everything that can be done in a group, at random, and clients that only apply what they are told.

use std::time::Duration;

use futures_util::future::join_all;
use godwit_client::state::ChatState;
use godwit_client::{Client, ConnectOptions, Encoding, Event, Events};
use godwit_contract::chat::v1::{CreateGroupRequest, UpdateChatRequest};
use godwit_contract::message::v1::MarkReadRequest;
use godwit_contract::message::v1::{EditMessageRequest, ListMessagesRequest, SendMessageRequest, SetReactionRequest};
use godwit_contract::v1::Message;
use godwit_kernel::{ChatId, Entropy, MessageId, SystemEntropy};
use godwit_testkit::{Shape, TestCluster};
use tokio::time::timeout;

use crate::support::{Account, embedded, log_in_sdk};

const PEOPLE: usize = 4;
const STEPS_EACH: usize = 30;
const TIMEOUT: Duration = Duration::from_secs(180);
const EMOJI: [&str; 3] = ["👍", "❤️", "🎉"];

/// Somebody with a client that never asks for messages after the beginning.
struct Person {
    client: Client,
    user_id: String,
    events: Events,
    state: ChatState,
    seq: u64,
}

impl Person {
    async fn connect(gateway: &str, account: &Account, chat_id: ChatId, encoding: Encoding) -> Self {
        let client = log_in_sdk(gateway, account).await;
        let (connection, events) = client.connect(ConnectOptions { encoding, ..ConnectOptions::default() });
        connection.live().await.unwrap();
        // It goes on by itself.
        std::mem::forget(connection);
        let chat = client.get_chat(chat_id).await.unwrap().chat.unwrap();
        let state = ChatState::of(&account.user_id, &chat, history(&client, chat_id).await.unwrap());
        Self { client, user_id: account.user_id.clone(), events, state, seq: chat.seq }
    }

    /// Applies what is told until the chat has come to `seq`.
    async fn follow(&mut self, chat_id: ChatId, seq: u64) {
        let chat_id = chat_id.to_string();
        while self.seq < seq {
            let Event::Update(update) = self.events.next().await.expect("the connection goes on") else { continue };
            if update.chat_id == chat_id && update.seq == self.seq + 1 {
                self.state.apply(&update);
                self.seq += 1;
            } else if update.chat_id == self.user_id {
                self.state.apply(&update);
            }
        }
    }

    /// One thing at random; what is refused, because another was quicker, does no harm. `None` when nobody answers now.
    async fn step(&self, chat_id: ChatId, number: usize) -> Option<()> {
        let messages = history(&self.client, chat_id).await.ok()?;
        let entropy = &SystemEntropy as &dyn Entropy;
        let pick = |count: usize| usize::try_from(entropy.below(u32::try_from(count.max(1)).unwrap())).unwrap();
        let any = messages.get(pick(messages.len())).map(|message| message.id.parse::<MessageId>().unwrap());
        let mine: Vec<&Message> = messages.iter().filter(|message| message.sender_id == self.user_id).collect();
        let own = mine.get(pick(mine.len())).map(|message| message.id.parse::<MessageId>().unwrap());
        match (pick(12), any, own) {
            (0..4, any, _) => {
                let request = SendMessageRequest {
                    client_message_id: format!("{}-{number}", self.user_id),
                    text: format!("number {number}"),
                    reply_to_message_id: any
                        .filter(|_| number.is_multiple_of(2))
                        .map(|id| id.to_string())
                        .unwrap_or_default(),
                    ..SendMessageRequest::default()
                };
                self.client.send_content(chat_id, &request).await.ok();
            }
            (4 | 5, _, Some(own)) => {
                let edit = EditMessageRequest { text: format!("edited {number}"), ..EditMessageRequest::default() };
                self.client.edit_message(own, &edit).await.ok();
            }
            (6, _, Some(own)) => drop(self.client.delete_message(own, false).await),
            (7 | 8, Some(any), _) => {
                let emoji = EMOJI[pick(EMOJI.len())].to_owned();
                self.client
                    .set_reaction(any, &SetReactionRequest { emoji, ..SetReactionRequest::default() })
                    .await
                    .ok();
            }
            (9, Some(any), _) => drop(self.client.remove_reaction(any).await),
            (10, Some(any), _) => {
                let read = MarkReadRequest { seq: any.seq.get(), ..MarkReadRequest::default() };
                self.client.mark_read(chat_id, &read).await.ok();
            }
            (11, Some(any), _) if number.is_multiple_of(2) => drop(self.client.pin_message(chat_id, any).await),
            (11, Some(any), _) => drop(self.client.unpin_message(chat_id, any).await),
            _ => {
                let title = Some(format!("Title {number}"));
                self.client
                    .update_chat(chat_id, &UpdateChatRequest { title, ..UpdateChatRequest::default() })
                    .await
                    .ok();
            }
        }
        Some(())
    }
}

/// All messages of a chat, the newest first.
async fn history(client: &Client, chat_id: ChatId) -> Result<Vec<Message>, godwit_client::Error> {
    let mut all: Vec<Message> = Vec::new();
    loop {
        let before_seq = all.last().map(|message| message.seq);
        let request = ListMessagesRequest { before_seq, limit: 200, ..ListMessagesRequest::default() };
        let page = client.list_messages(chat_id, &request).await?;
        all.extend(page.messages);
        if !page.has_more {
            return Ok(all);
        }
    }
}

#[tokio::test]
async fn clients_that_apply_updates_have_what_a_fresh_snapshot_says_in_one_process() {
    converge(embedded().await.gateway(), embedded().await).await;
}

#[tokio::test]
async fn clients_that_apply_updates_have_what_a_fresh_snapshot_says_while_processes_die() {
    let mut cluster = TestCluster::start(Shape::Separate).await;
    let gateway = cluster.gateway().to_owned();
    let (chat_id, mut people) = gather(&gateway, &cluster).await;
    let busy = async {
        join_all(people.iter().map(|person| act(person, chat_id))).await;
    };
    let deaths = async {
        for process in ["message", "chat", "gateway-2"] {
            cluster.kill(process);
            cluster.start_again(process).await;
        }
    };
    timeout(TIMEOUT, async { tokio::join!(busy, deaths) }).await.expect("everybody gets through");
    assert_converged(&mut people, chat_id).await;
}

async fn converge(gateway: &str, cluster: &TestCluster) {
    let (chat_id, mut people) = gather(gateway, cluster).await;
    join_all(people.iter().map(|person| act(person, chat_id))).await;
    assert_converged(&mut people, chat_id).await;
}

async fn act(person: &Person, chat_id: ChatId) {
    for number in 0..STEPS_EACH {
        while person.step(chat_id, number).await.is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn gather(gateway: &str, cluster: &TestCluster) -> (ChatId, Vec<Person>) {
    let mut accounts = Vec::new();
    for number in 0..PEOPLE {
        accounts.push(Account::create_at(gateway, cluster.mailbox(), &format!("person{number}")).await);
    }
    let owner = log_in_sdk(gateway, &accounts[0]).await;
    let group = CreateGroupRequest {
        title: "Everything".to_owned(),
        member_ids: accounts[1..].iter().map(|account| account.user_id.clone()).collect(),
        ..CreateGroupRequest::default()
    };
    let chat_id: ChatId = owner.create_group(&group).await.unwrap().chat.unwrap().id.parse().unwrap();
    let mut people = Vec::new();
    for (number, account) in accounts.iter().enumerate() {
        let (gateway, encoding) = match number % 2 {
            0 => (cluster.gateway(), Encoding::Binary),
            _ => (cluster.other_gateway(), Encoding::Json),
        };
        people.push(Person::connect(gateway, account, chat_id, encoding).await);
    }
    (chat_id, people)
}

async fn assert_converged(people: &mut [Person], chat_id: ChatId) {
    for person in people {
        let chat = person.client.get_chat(chat_id).await.unwrap().chat.unwrap();
        timeout(TIMEOUT, person.follow(chat_id, chat.seq)).await.expect("every update comes");
        let fresh = ChatState::of(&person.user_id, &chat, history(&person.client, chat_id).await.unwrap());
        let mut applied = person.state.clone();
        // Roles are told by updates only.
        applied.roles.clone_from(&fresh.roles);
        assert_eq!(applied, fresh, "what {} has applied is what the server says", person.user_id);
        let unread = u32::try_from(applied.unread_count()).unwrap();
        assert_eq!(unread, chat.unread_count, "unread counts agree");
    }
}
