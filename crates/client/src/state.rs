//! One chat as its updates make it: what a client shows. Pure. A snapshot and the updates after its seq give what a fresh
//! snapshot would: every update says what is after it, so none needs another question. Who is taken out keeps nothing, and
//! begins with a snapshot when they are back.

use std::collections::BTreeMap;

use godwit_contract::v1::update::Change;
use godwit_contract::v1::{
    Chat, ChatInfo, ChatRole, JoinRequestsChanged, LinkPreview, Message, ReactionCount, Receipt, ReplyInfo, Update,
};
use godwit_kernel::MessageId;
use godwit_kernel::limits::RECEIPT_MEMBERS_MAX;
use pbjson_types::Timestamp;

/// A chat and those of its messages that the client has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatState {
    /// The chat's own id.
    id: String,
    /// The user who looks at it.
    viewer_id: String,
    /// What the group or channel says of itself.
    pub info: Option<ChatInfo>,
    /// How many members it has, of a group or channel.
    pub member_count: u32,
    /// What the viewer is in it; `None` when they are out.
    pub my_role: Option<ChatRole>,
    /// Members whose roles are known, by user id.
    pub roles: BTreeMap<String, ChatRole>,
    /// How far others have read and received, by user id.
    pub receipts: BTreeMap<String, Receipt>,
    /// How far the viewer has read.
    pub read_seq: u64,
    /// Messages before it are not for the viewer; 0 when all are.
    pub visible_from_seq: u64,
    /// The newest pin first, of those that are for the viewer.
    pub pinned_message_ids: Vec<String>,
    /// How many wait to be let in, as far as the viewer may answer them.
    pub join_request_count: u32,
    /// Since when they wait, by user id: all of them when they are as many as the count; else the list is asked for, and put
    /// in here, when somebody wants to see it.
    pub join_requests: BTreeMap<String, Timestamp>,
    /// The messages that the client has, by seq.
    pub messages: BTreeMap<u64, Message>,
    /// Nobody is a member any more.
    pub is_deleted: bool,
}

impl ChatState {
    /// The state of a snapshot, with the messages that were listed with it.
    pub fn of(viewer_id: &str, chat: &Chat, messages: impl IntoIterator<Item = Message>) -> Self {
        let receipts = chat.receipts.iter().map(|receipt| (receipt.user_id.clone(), receipt.clone()));
        Self {
            id: chat.id.clone(),
            viewer_id: viewer_id.to_owned(),
            info: chat.info.clone(),
            member_count: chat.member_count,
            my_role: Some(chat.my_role()),
            roles: BTreeMap::new(),
            receipts: receipts.collect(),
            read_seq: chat.read_seq,
            visible_from_seq: chat.visible_from_seq,
            pinned_message_ids: chat.pinned_message_ids.clone(),
            join_request_count: chat.join_request_count,
            join_requests: BTreeMap::new(),
            messages: messages.into_iter().map(|message| (message.seq, message)).collect(),
            is_deleted: false,
        }
    }

    /// Messages of others that the viewer has not read, of those that the client has.
    pub fn unread_count(&self) -> usize {
        let unread = self.messages.range(self.read_seq + 1..);
        unread.filter(|(_, message)| message.sender_id != self.viewer_id).count()
    }

    /// Applies the next update of the chat, or one of the viewer's own log; those of other chats change nothing.
    pub fn apply(&mut self, update: &Update) {
        let Some(change) = update.change.clone() else { return };
        match change {
            Change::ChatCreated(created) => {
                self.info = created.info;
                self.member_count = u32::try_from(created.member_ids.len()).unwrap_or(u32::MAX);
                if created.member_ids.contains(&self.viewer_id) {
                    self.read_seq = self.read_seq.max(update.seq);
                }
            }
            Change::MessageCreated(created) => self.put(created.message),
            Change::MessageEdited(edited) => self.edit(edited.message),
            Change::MessageDeleted(deleted) => self.delete(&deleted.message_id),
            Change::MessageHidden(hidden) => self.messages.retain(|_, message| message.id != hidden.message_id),
            Change::HistoryCleared(cleared) => {
                self.messages.retain(|seq, message| message.chat_id != cleared.chat_id || *seq > cleared.cleared_seq);
            }
            Change::ReactionsChanged(changed) => {
                let mine = (update.actor_id == self.viewer_id).then_some(changed.emoji);
                self.react(&changed.message_id, Some(changed.reactions), mine);
            }
            Change::OwnReactionChanged(own) => self.react(&own.message_id, None, Some(own.emoji)),
            Change::ReceiptAdvanced(advanced) => {
                self.advance(&update.actor_id, advanced.read_seq, advanced.delivered_seq);
            }
            Change::OwnReadAdvanced(own) if own.chat_id == self.id => self.read_seq = self.read_seq.max(own.read_seq),
            Change::PinsChanged(changed) => self.pin(changed.pinned_message_ids),
            Change::ChatInfoChanged(changed) => self.info = changed.info,
            Change::MembersAdded(added) => {
                self.member_count = added.member_count;
                if self.is_large() {
                    self.receipts.clear();
                }
                for member in added.members {
                    if member.user_id == self.viewer_id {
                        self.come(update.seq, added.is_history_hidden);
                    }
                    self.set_role(&member.user_id.clone(), member.role());
                }
            }
            Change::MemberRemoved(removed) => {
                self.member_count = removed.member_count;
                self.forget(&removed.user_id);
                for receipt in removed.receipts {
                    self.advance(&receipt.user_id, receipt.read_seq, receipt.delivered_seq);
                }
            }
            Change::RolesChanged(changed) => {
                for member in changed.members {
                    self.set_role(&member.user_id.clone(), member.role());
                }
            }
            Change::ChatDeleted(_) => *self = Self { is_deleted: true, ..Self::default() },
            Change::LinkPreviewAdded(added) => self.preview(&added.message_id, added.link_preview),
            Change::JoinRequestsChanged(changed) if changed.chat_id == self.id => self.change_join_requests(changed),
            // Who is out answers nobody, and may be back as one who does not.
            Change::ChatLeft(left) if left.chat_id == self.id => {
                self.change_join_requests(JoinRequestsChanged::default());
            }
            Change::OwnReadAdvanced(_)
            | Change::JoinRequestsChanged(_)
            | Change::ChatSettingsChanged(_)
            | Change::FoldersChanged(_)
            | Change::ChatJoined(_)
            | Change::ChatLeft(_)
            | Change::ScheduledChanged(_)
            | Change::CallLogged(_) => {}
        }
    }

    fn put(&mut self, message: Option<Message>) {
        if let Some(message) = message.filter(|message| !message.is_deleted) {
            self.messages.insert(message.seq, message);
        }
    }

    /// Reactions are not part of an edit: they stay as they are.
    fn edit(&mut self, message: Option<Message>) {
        let Some(message) = message else { return };
        let Some(known) = self.messages.get_mut(&message.seq) else { return };
        let (reactions, my_reaction) = (std::mem::take(&mut known.reactions), std::mem::take(&mut known.my_reaction));
        if message.is_deleted {
            self.messages.remove(&message.seq);
        } else {
            *known = Message { reactions, my_reaction, ..message };
        }
    }

    fn delete(&mut self, message_id: &str) {
        self.messages.retain(|_, message| message.id != message_id);
        self.pinned_message_ids.retain(|pinned| pinned != message_id);
        for message in self.messages.values_mut() {
            if let Some(reply) = message.reply_to.as_mut().filter(|reply| reply.message_id == message_id) {
                *reply = ReplyInfo { snippet: String::new(), is_deleted: true, ..std::mem::take(reply) };
            }
        }
    }

    fn pin(&mut self, ids: Vec<String>) {
        let is_for_viewer = |id: &String| match id.parse::<MessageId>() {
            Ok(id) => id.seq.get() >= self.visible_from_seq,
            Err(_) => true,
        };
        self.pinned_message_ids = ids.into_iter().filter(is_for_viewer).collect();
    }

    fn react(&mut self, message_id: &str, reactions: Option<Vec<ReactionCount>>, mine: Option<String>) {
        let Some(message) = self.messages.values_mut().find(|message| message.id == message_id) else { return };
        if let Some(reactions) = reactions {
            message.reactions = reactions;
        }
        if let Some(mine) = mine {
            message.my_reaction = mine;
        }
    }

    fn advance(&mut self, user_id: &str, read_seq: u64, delivered_seq: u64) {
        if user_id == self.viewer_id {
            self.read_seq = self.read_seq.max(read_seq);
            return;
        }
        if self.is_large() {
            return;
        }
        let receipt = self.receipts.entry(user_id.to_owned()).or_default();
        user_id.clone_into(&mut receipt.user_id);
        receipt.read_seq = receipt.read_seq.max(read_seq);
        receipt.delivered_seq = receipt.delivered_seq.max(delivered_seq);
    }

    /// No more than counts of who has read are told.
    const fn is_large(&self) -> bool {
        self.member_count > RECEIPT_MEMBERS_MAX
    }

    fn set_role(&mut self, user_id: &str, role: ChatRole) {
        if user_id == self.viewer_id {
            self.my_role = Some(role);
        }
        self.roles.insert(user_id.to_owned(), role);
    }

    /// The viewer is a member from now on: nothing before is unread, and where history is hidden nothing before is theirs.
    fn come(&mut self, seq: u64, is_history_hidden: bool) {
        self.read_seq = self.read_seq.max(seq);
        if is_history_hidden {
            self.visible_from_seq = seq;
        }
    }

    /// A chat that the viewer is out of is not theirs to keep.
    fn forget(&mut self, user_id: &str) {
        if user_id == self.viewer_id {
            let (id, viewer_id) = (std::mem::take(&mut self.id), std::mem::take(&mut self.viewer_id));
            *self = Self { id, viewer_id, member_count: self.member_count, ..Self::default() };
            return;
        }
        self.roles.remove(user_id);
        self.receipts.remove(user_id);
    }

    fn change_join_requests(&mut self, changed: JoinRequestsChanged) {
        self.join_request_count = changed.join_request_count;
        if !changed.added_user_id.is_empty() {
            self.join_requests.insert(changed.added_user_id, changed.requested_at.unwrap_or_default());
        }
        let has_ended = |user_id: &String| changed.removed_user_ids.contains(user_id);
        self.join_requests.retain(|user_id, _| changed.join_request_count > 0 && !has_ended(user_id));
    }

    fn preview(&mut self, message_id: &str, link_preview: Option<LinkPreview>) {
        if let Some(message) = self.messages.values_mut().find(|message| message.id == message_id) {
            message.link_preview = link_preview;
        }
    }
}

#[cfg(test)]
mod tests {
    use godwit_contract::v1::{
        ChatLeft, Member, MemberRemoved, MembersAdded, MessageCreated, MessageDeleted, MessageEdited, OwnReadAdvanced,
        PinsChanged, ReactionsChanged, ReceiptAdvanced,
    };

    use super::*;

    const ME: &str = "me";

    fn update(seq: u64, actor: &str, change: Change) -> Update {
        Update { seq, actor_id: actor.to_owned(), change: Some(change), ..Update::default() }
    }

    fn message(seq: u64, sender: &str, text: &str) -> Message {
        Message {
            id: format!("m{seq}"),
            chat_id: "c".to_owned(),
            seq,
            sender_id: sender.to_owned(),
            text: text.to_owned(),
            ..Message::default()
        }
    }

    fn created(seq: u64, sender: &str, text: &str) -> Update {
        update(seq, sender, Change::MessageCreated(MessageCreated { message: Some(message(seq, sender, text)) }))
    }

    fn state(updates: &[Update]) -> ChatState {
        let mut state = ChatState::of(ME, &Chat { id: "c".to_owned(), ..Chat::default() }, []);
        for update in updates {
            state.apply(update);
        }
        state
    }

    #[test]
    fn an_edit_keeps_the_reactions_and_a_deletion_takes_pins_and_quotes_along() {
        let thumbs = vec![ReactionCount { emoji: "👍".to_owned(), count: 2 }];
        let reply = Message {
            reply_to: Some(ReplyInfo {
                message_id: "m2".to_owned(),
                snippet: "hello".to_owned(),
                ..ReplyInfo::default()
            }),
            ..message(3, "bob", "hi back")
        };
        let mut state = state(&[
            created(2, "ada", "hello"),
            update(3, "bob", Change::MessageCreated(MessageCreated { message: Some(reply) })),
            update(
                4,
                ME,
                Change::ReactionsChanged(ReactionsChanged {
                    message_id: "m2".to_owned(),
                    emoji: "👍".to_owned(),
                    reactions: thumbs.clone(),
                }),
            ),
            update(5, "ada", Change::MessageEdited(MessageEdited { message: Some(message(2, "ada", "hello!")) })),
            update(
                6,
                "ada",
                Change::PinsChanged(PinsChanged {
                    message_id: "m2".to_owned(),
                    is_pinned: true,
                    pinned_message_ids: vec!["m2".to_owned()],
                }),
            ),
        ]);
        let edited = &state.messages[&2];
        assert_eq!((edited.text.as_str(), &edited.reactions, edited.my_reaction.as_str()), ("hello!", &thumbs, "👍"));
        assert_eq!(state.unread_count(), 2);

        state.apply(&update(7, "ada", Change::MessageDeleted(MessageDeleted { message_id: "m2".to_owned() })));
        assert!(!state.messages.contains_key(&2));
        assert!(state.pinned_message_ids.is_empty());
        let quote = state.messages[&3].reply_to.as_ref().unwrap();
        assert_eq!((quote.snippet.as_str(), quote.is_deleted), ("", true));
    }

    #[test]
    fn pins_of_before_the_viewer_came_are_not_for_them() {
        let chat_id = godwit_kernel::ChatId::generate(&godwit_kernel::SystemClock, &godwit_kernel::SystemEntropy);
        let id = |seq| MessageId { chat_id, seq: godwit_kernel::Seq::new(seq).unwrap() }.to_string();
        let came = MembersAdded {
            members: vec![Member { user_id: ME.to_owned(), ..Member::default() }],
            is_history_hidden: true,
            ..MembersAdded::default()
        };
        let pins = PinsChanged { pinned_message_ids: [6, 5, 4].map(id).to_vec(), ..PinsChanged::default() };
        let mut state =
            state(&[update(5, "ada", Change::MembersAdded(came)), update(7, "ada", Change::PinsChanged(pins.clone()))]);
        assert_eq!(state.pinned_message_ids, [6, 5].map(id));
        state.visible_from_seq = 0;
        state.apply(&update(8, "ada", Change::PinsChanged(pins)));
        assert_eq!(state.pinned_message_ids, [6, 5, 4].map(id));
    }

    #[test]
    fn cursors_never_go_back_and_the_own_one_counts_the_unread() {
        let mut state = state(&[created(2, "ada", "a"), created(3, "ada", "b"), created(4, ME, "c")]);
        assert_eq!(state.unread_count(), 2);
        for (actor, read_seq, delivered_seq) in [(ME, 2, 2), ("ada", 4, 4), ("ada", 3, 3)] {
            let advanced = ReceiptAdvanced { read_seq, delivered_seq };
            state.apply(&update(5, actor, Change::ReceiptAdvanced(advanced)));
        }
        assert_eq!(state.unread_count(), 1);
        assert_eq!(state.receipts["ada"].read_seq, 4);
        assert!(!state.receipts.contains_key(ME));
    }

    #[test]
    fn members_come_and_go() {
        let ada = Member { user_id: "ada".to_owned(), role: ChatRole::Member.into(), joined_at: None };
        let added = MembersAdded { members: vec![ada], member_count: 3, is_history_hidden: false };
        let mut state = state(&[update(2, ME, Change::MembersAdded(added))]);
        assert_eq!((state.member_count, state.roles["ada"]), (3, ChatRole::Member));
        let removed = MemberRemoved { user_id: ME.to_owned(), member_count: 2, ..MemberRemoved::default() };
        state.apply(&update(3, "ada", Change::MemberRemoved(removed)));
        assert_eq!((state.member_count, state.my_role), (2, None));
    }

    #[test]
    fn receipts_do_not_count_among_more_than_200_members_and_are_told_again_when_there_are_fewer() {
        let advanced = |seq| Change::ReceiptAdvanced(ReceiptAdvanced { read_seq: seq, delivered_seq: seq });
        let added = MembersAdded { member_count: 201, ..MembersAdded::default() };
        let mut state = state(&[update(2, "ada", advanced(1))]);
        state.apply(&update(3, "ada", Change::MembersAdded(added)));
        state.apply(&update(4, "bob", advanced(3)));
        assert!(state.receipts.is_empty());
        let bob = Receipt { user_id: "bob".to_owned(), read_seq: 4, delivered_seq: 5 };
        let (user_id, receipts) = ("eve".to_owned(), vec![bob.clone()]);
        let removed = MemberRemoved { user_id, member_count: 200, receipts, ..MemberRemoved::default() };
        state.apply(&update(5, "eve", Change::MemberRemoved(removed)));
        assert_eq!(state.receipts.values().collect::<Vec<_>>(), [&bob]);
        state.apply(&update(6, "ada", advanced(6)));
        assert_eq!(state.receipts.len(), 2);
    }

    #[test]
    fn what_was_there_before_the_viewer_came_is_not_unread_and_who_is_out_keeps_nothing() {
        let me = Member { user_id: ME.to_owned(), role: ChatRole::Member.into(), joined_at: None };
        let added = MembersAdded { members: vec![me], member_count: 3, is_history_hidden: false };
        let mut state = state(&[
            created(1, "ada", "before"),
            update(2, "ada", Change::MembersAdded(added)),
            created(3, "ada", "after"),
        ]);
        assert_eq!((state.messages.len(), state.unread_count(), state.read_seq), (2, 1, 2));
        let removed = MemberRemoved { user_id: ME.to_owned(), member_count: 2, ..MemberRemoved::default() };
        state.apply(&update(4, "ada", Change::MemberRemoved(removed)));
        let out =
            ChatState { member_count: 2, ..ChatState::of(ME, &Chat { id: "c".to_owned(), ..Chat::default() }, []) };
        assert_eq!(state, ChatState { my_role: None, ..out });
    }

    fn requests(chat: &str, count: u32, added: &str, removed: &[&str]) -> Update {
        let changed = JoinRequestsChanged {
            chat_id: chat.to_owned(),
            join_request_count: count,
            added_user_id: added.to_owned(),
            requested_at: Some(Timestamp { seconds: count.into(), nanos: 0 }),
            removed_user_ids: removed.iter().map(|user_id| (*user_id).to_owned()).collect(),
        };
        update(1, "ada", Change::JoinRequestsChanged(changed))
    }

    #[test]
    fn who_asks_to_come_in_is_known_until_they_ask_no_longer() {
        let mut state =
            state(&[requests("c", 1, "bob", &[]), requests("c", 2, "eve", &[]), requests("d", 9, "x", &[])]);
        let waiting = |state: &ChatState| {
            let waiting: Vec<_> = state.join_requests.iter().map(|(id, at)| (id.clone(), at.seconds)).collect();
            (state.join_request_count, waiting)
        };
        let (bob, eve) = (("bob".to_owned(), 1), ("eve".to_owned(), 2));
        assert_eq!(waiting(&state), (2, vec![bob, eve.clone()]));
        state.apply(&requests("c", 1, "", &["bob", "somebody whom the client never knew"]));
        assert_eq!(waiting(&state), (1, vec![eve]));
        // Who answers no longer is told of nobody; who does again, how many there are.
        for count in [0, 3] {
            state.apply(&requests("c", count, "", &[]));
            assert_eq!(waiting(&state), (count, vec![]));
        }
        for (chat_id, count) in [("d", 3), ("c", 0)] {
            let left = ChatLeft { chat_id: chat_id.to_owned(), ..ChatLeft::default() };
            state.apply(&update(2, ME, Change::ChatLeft(left)));
            assert_eq!(state.join_request_count, count);
        }
    }

    #[test]
    fn what_the_own_log_says_of_another_chat_is_not_of_this_one() {
        let mut state = state(&[]);
        for (chat_id, read_seq) in [("d", 0), ("c", 5)] {
            let own = OwnReadAdvanced { chat_id: chat_id.to_owned(), read_seq: 5 };
            state.apply(&update(1, ME, Change::OwnReadAdvanced(own)));
            assert_eq!(state.read_seq, read_seq);
        }
    }
}
