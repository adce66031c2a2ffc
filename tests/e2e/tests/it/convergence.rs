//! People who do everything that can be done in a group, at random, and clients that only apply what they are told.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use godwit_client::state::ChatState;
use godwit_client::{Client, ConnectOptions, Encoding, Event, Events};
use godwit_contract::chat::v1::{
    AddMembersRequest, ChangeRoleRequest, CreateFolderRequest, CreateGroupRequest, CreateInviteRequest,
    MuteChatRequest, SetDraftRequest, TransferOwnershipRequest, UpdateChatRequest,
};
use godwit_contract::message::v1::MarkReadRequest;
use godwit_contract::message::v1::{EditMessageRequest, ListMessagesRequest, SendMessageRequest, SetReactionRequest};
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{ChatRight, ChatRole, ChatSettings, Folder, Message, Update, WhoMayPost};
use godwit_kernel::{ChatId, Entropy, MessageId, SystemEntropy, UserId};
use godwit_testkit::{Shape, TestCluster};
use tokio::time::{Instant, timeout};

use crate::support::{Account, embedded, log_in_sdk};

const PEOPLE: usize = 4;
const STEPS_EACH: usize = 40;
const TIMEOUT: Duration = Duration::from_secs(180);
/// In which a change that a dead process left behind comes into the log.
const PATIENCE: Duration = Duration::from_secs(30);
/// In which what is told on the way arrives.
const MOMENT: Duration = Duration::from_millis(100);
const EMOJI: [&str; 3] = ["👍", "❤️", "🎉"];

/// A number below `count`, or 0.
fn pick(count: usize) -> usize {
    let entropy = &SystemEntropy as &dyn Entropy;
    usize::try_from(entropy.below(u32::try_from(count).unwrap())).unwrap()
}

/// What somebody sees of the chat, and what is theirs alone.
#[derive(Clone, Debug, PartialEq)]
struct View {
    chat: ChatState,
    settings: ChatSettings,
    folders: Vec<Folder>,
    /// Of the draft; empty when there is none.
    draft: String,
}

impl View {
    /// What the server says now. `None` when nobody answers.
    async fn fresh(client: &Client, user_id: &str, chat_id: ChatId) -> Option<Fresh> {
        let chat = client.get_chat(chat_id).await.ok()?.chat.unwrap();
        let own_seq = client.get_saved_messages().await.ok()?.chat.unwrap().seq;
        let mut state = ChatState::of(user_id, &chat, history(client, chat_id).await.ok()?);
        state.roles = roles(client, chat_id).await.ok()?;
        if chat.my_rights().any(|right| right == ChatRight::Invite) {
            let waiting = client.list_join_requests(chat_id, 0, "").await.ok()?.requests.into_iter();
            let waiting = waiting.map(|request| (request.user.unwrap().id, request.requested_at.unwrap()));
            state.join_requests = waiting.collect();
        }
        let folders = client.list_folders().await.ok()?.folders;
        let draft = chat.draft.map(|draft| draft.text).unwrap_or_default();
        let view = Self { chat: state, settings: chat.settings.unwrap_or_default(), folders, draft };
        Some(Fresh { view: view.compared(), unread_count: chat.unread_count, seq: chat.seq, own_seq })
    }

    /// Without those who wait of whom another does not know: who became an admin is told how many they are, and not who.
    fn seen_by(mut self, other: &Self) -> Self {
        self.chat.join_requests.retain(|user_id, _| other.chat.join_requests.contains_key(user_id));
        self
    }

    /// Who has read nothing is as one of whom nothing is known.
    fn compared(mut self) -> Self {
        self.chat.receipts.retain(|_, receipt| receipt.delivered_seq > 0);
        self
    }

    fn apply(&mut self, chat_id: &str, update: &Update) {
        self.chat.apply(update);
        match update.change.clone() {
            Some(Change::ChatSettingsChanged(changed)) if changed.chat_id == chat_id => {
                self.settings = changed.settings.unwrap_or_default();
            }
            Some(Change::FoldersChanged(changed)) => self.folders = changed.folders,
            _ => {}
        }
    }
}

/// A view as the server gives it.
struct Fresh {
    view: View,
    unread_count: u32,
    /// Where the logs stand at the least: the chat's, and that of what is the person's alone.
    seq: u64,
    own_seq: u64,
}

/// Somebody with a client that never asks for what is there after the beginning.
struct Person {
    client: Client,
    user_id: String,
    events: Events,
    view: View,
    seq: u64,
    /// Of the log of what is theirs alone.
    own_seq: u64,
}

impl Person {
    async fn connect(gateway: &str, account: &Account, chat_id: ChatId, encoding: Encoding) -> Self {
        let client = log_in_sdk(gateway, account).await;
        // It begins the person's own log.
        client.get_saved_messages().await.unwrap();
        let (connection, events) = client.connect(ConnectOptions { encoding, ..ConnectOptions::default() });
        connection.live().await.unwrap();
        // It goes on by itself.
        std::mem::forget(connection);
        let Fresh { view, seq, own_seq, .. } = View::fresh(&client, &account.user_id, chat_id).await.unwrap();
        Self { client, user_id: account.user_id.clone(), events, view, seq, own_seq }
    }

    /// Applies what is told until the chat has come to `seq`, and the person's own log to `own_seq`.
    async fn follow(&mut self, chat_id: ChatId, seq: u64, own_seq: u64) {
        while self.seq < seq || self.own_seq < own_seq {
            let event = self.events.next().await.expect("the connection goes on");
            self.hear(&chat_id.to_string(), event);
        }
    }

    /// Applies what else is told, until it is quiet for a moment.
    async fn listen(&mut self, chat_id: ChatId) {
        while let Ok(event) = timeout(MOMENT, self.events.next()).await {
            self.hear(&chat_id.to_string(), event.expect("the connection goes on"));
        }
    }

    fn hear(&mut self, chat_id: &str, event: Event) {
        match event {
            Event::Update(update) if update.chat_id == chat_id && update.seq == self.seq + 1 => {
                self.seq += 1;
                self.view.apply(chat_id, &update);
            }
            Event::Update(update) if update.chat_id == self.user_id && update.seq == self.own_seq + 1 => {
                self.own_seq += 1;
                self.view.apply(chat_id, &update);
            }
            Event::Draft(draft) if draft.chat_id == chat_id => self.view.draft = draft.text,
            Event::State(state) => {
                let draft = state.drafts.into_iter().find(|draft| draft.chat_id == chat_id);
                self.view.draft = draft.map(|draft| draft.text).unwrap_or_default();
            }
            _ => {}
        }
    }

    async fn write_draft(&self, chat_id: ChatId, text: String) -> Option<()> {
        let draft = SetDraftRequest { text, ..SetDraftRequest::default() };
        self.client.set_draft(chat_id, &draft).await.ok().map(drop)
    }

    /// One thing at random; what is refused, because another was quicker or the right is missing, does no harm. `None` when
    /// nobody answers now.
    async fn step(&self, scene: &Scene, number: usize) -> Option<()> {
        match pick(20) {
            0..12 => self.say(scene.chat_id, number).await,
            12..17 => self.manage(scene, number).await,
            _ => self.arrange(scene.chat_id, number).await,
        }
    }

    /// What is done with messages.
    async fn say(&self, chat_id: ChatId, number: usize) -> Option<()> {
        let messages = history(&self.client, chat_id).await.ok()?;
        let any = messages.get(pick(messages.len())).map(|message| message.id.parse::<MessageId>().unwrap());
        let mine: Vec<&Message> = messages.iter().filter(|message| message.sender_id == self.user_id).collect();
        let own = mine.get(pick(mine.len())).map(|message| message.id.parse::<MessageId>().unwrap());
        match (pick(12), any, own) {
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
            (11, _, _) => {
                let pinned = self.client.list_pins(chat_id).await.ok()?.messages;
                if let Some(message) = pinned.first() {
                    drop(self.client.unpin_message(chat_id, message.id.parse().unwrap()).await);
                }
            }
            (_, any, _) => {
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
        }
        Some(())
    }

    /// What is done with the group, its members and what they may do.
    async fn manage(&self, scene: &Scene, number: usize) -> Option<()> {
        let chat_id = scene.chat_id;
        let other = scene.members[pick(scene.members.len())];
        let is_even = number.is_multiple_of(2);
        let info = match pick(10) {
            0 => UpdateChatRequest { title: Some(format!("Title {number}")), ..UpdateChatRequest::default() },
            1 => UpdateChatRequest { slow_mode_secs: Some(u32::from(is_even)), ..UpdateChatRequest::default() },
            2 => {
                let who = if is_even { WhoMayPost::Admins } else { WhoMayPost::Members };
                UpdateChatRequest { who_may_post: Some(who.into()), ..UpdateChatRequest::default() }
            }
            3..6 => {
                self.meet_guest(scene).await;
                return Some(());
            }
            6 if is_even => {
                let heir = TransferOwnershipRequest { user_id: other.to_string(), ..Default::default() };
                drop(self.client.transfer_ownership(chat_id, &heir).await);
                return Some(());
            }
            _ => {
                let role = if pick(3) > 0 { ChatRole::Admin } else { ChatRole::Member };
                let change = ChangeRoleRequest { role: role.into(), ..ChangeRoleRequest::default() };
                drop(self.client.change_role(chat_id, other, &change).await);
                return Some(());
            }
        };
        self.client.update_chat(chat_id, &info).await.ok();
        Some(())
    }

    /// What is done about who comes and goes, and may ask to come.
    async fn meet_guest(&self, scene: &Scene) {
        let (chat_id, guest_id) = (scene.chat_id, scene.guest_id);
        match pick(6) {
            0 => {
                let guest = AddMembersRequest { user_ids: vec![guest_id.to_string()], ..AddMembersRequest::default() };
                drop(self.client.add_members(chat_id, &guest).await);
            }
            1 => drop(self.client.remove_member(chat_id, guest_id).await),
            2 => drop(self.client.accept_join_request(chat_id, guest_id).await),
            3 => drop(self.client.reject_join_request(chat_id, guest_id).await),
            _ => drop(scene.guest.join_by_invite(&scene.code).await),
        }
    }

    /// What is the person's alone.
    async fn arrange(&self, chat_id: ChatId, number: usize) -> Option<()> {
        match pick(8) {
            0 => drop(self.client.mute_chat(chat_id, &MuteChatRequest::default()).await),
            1 => drop(self.client.unmute_chat(chat_id).await),
            2 => drop(self.client.archive_chat(chat_id).await),
            3 => drop(self.client.unarchive_chat(chat_id).await),
            4 => {
                let (title, chat_ids) = (format!("Folder {number}"), vec![chat_id.to_string()]);
                drop(self.client.create_folder(&CreateFolderRequest { title, chat_ids }).await);
            }
            5 => self.write_draft(chat_id, format!("about to say {number}")).await?,
            6 => drop(self.client.delete_draft(chat_id).await),
            _ => {
                if let Some(folder) = self.client.list_folders().await.ok()?.folders.first() {
                    drop(self.client.delete_folder(&folder.id).await);
                }
            }
        }
        Some(())
    }
}

/// Where it happens.
struct Scene {
    chat_id: ChatId,
    /// Those who do things.
    members: Vec<UserId>,
    /// Who does nothing but come and go, and ask to come.
    guest: Client,
    guest_id: UserId,
    /// Of an invite by which one asks.
    code: String,
}

/// The roles of all members, by user id.
async fn roles(client: &Client, chat_id: ChatId) -> Result<BTreeMap<String, ChatRole>, godwit_client::Error> {
    let members = client.list_chat_members(chat_id, 0, "").await?.members;
    let members = members.into_iter().filter_map(|view| view.member);
    Ok(members.map(|member| (member.user_id.clone(), member.role())).collect())
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
    let (scene, mut people) = gather(&gateway, &cluster).await;
    let busy = async {
        join_all(people.iter().map(|person| act(person, &scene))).await;
    };
    let deaths = async {
        for process in ["message", "chat", "gateway-2"] {
            cluster.kill(process);
            cluster.start_again(process).await;
        }
    };
    timeout(TIMEOUT, async { tokio::join!(busy, deaths) }).await.expect("everybody gets through");
    // A draft is in no log: one that died on its way is told by the next.
    for person in &people {
        while person.write_draft(scene.chat_id, "the last one".to_owned()).await.is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert_converged(&mut people, scene.chat_id).await;
}

async fn converge(gateway: &str, cluster: &TestCluster) {
    let (scene, mut people) = gather(gateway, cluster).await;
    join_all(people.iter().map(|person| act(person, &scene))).await;
    assert_converged(&mut people, scene.chat_id).await;
}

async fn act(person: &Person, scene: &Scene) {
    for number in 0..STEPS_EACH {
        while person.step(scene, number).await.is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn gather(gateway: &str, cluster: &TestCluster) -> (Scene, Vec<Person>) {
    let mut accounts = Vec::new();
    for number in 0..PEOPLE {
        accounts.push(Account::create_at(gateway, cluster.mailbox(), &format!("person{number}")).await);
    }
    let guest = Account::create_at(gateway, cluster.mailbox(), "guest").await;
    let owner = log_in_sdk(gateway, &accounts[0]).await;
    let group = CreateGroupRequest {
        title: "Everything".to_owned(),
        member_ids: accounts[1..].iter().map(|account| account.user_id.clone()).collect(),
        ..CreateGroupRequest::default()
    };
    let chat_id: ChatId = owner.create_group(&group).await.unwrap().chat.unwrap().id.parse().unwrap();
    let by_approval = CreateInviteRequest { needs_approval: true, ..CreateInviteRequest::default() };
    let code = owner.create_invite(chat_id, &by_approval).await.unwrap().invite.unwrap().code;
    let mut people = Vec::new();
    for (number, account) in accounts.iter().enumerate() {
        let (gateway, encoding) = match number % 2 {
            0 => (cluster.gateway(), Encoding::Binary),
            _ => (cluster.other_gateway(), Encoding::Json),
        };
        people.push(Person::connect(gateway, account, chat_id, encoding).await);
    }
    let members = accounts.iter().map(|account| account.user_id.parse().unwrap()).collect();
    let guest_id = guest.user_id.parse().unwrap();
    (Scene { chat_id, members, guest: log_in_sdk(gateway, &guest).await, guest_id, code }, people)
}

async fn assert_converged(people: &mut [Person], chat_id: ChatId) {
    for person in people {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(fresh) = View::fresh(&person.client, &person.user_id, chat_id).await {
                timeout(TIMEOUT, person.follow(chat_id, fresh.seq, fresh.own_seq)).await.expect("every update comes");
                let applied = person.view.clone().compared();
                let unread_count = applied.chat.unread_count();
                let said = fresh.view.seen_by(&applied);
                if applied == said && unread_count == fresh.unread_count as usize {
                    break;
                }
                if Instant::now() > deadline {
                    assert_eq!(applied, said, "what {} has applied is what the server says", person.user_id);
                    assert_eq!(unread_count, fresh.unread_count as usize, "unread counts agree");
                }
            }
            assert!(Instant::now() < deadline, "the server answers");
            person.listen(chat_id).await;
        }
    }
}
