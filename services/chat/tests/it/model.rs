//! A group under random operations of random people, beside a plain model of it: every answer, the members, the version of
//! the member list and what the log tells must agree.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_kernel::UserId;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tonic::Status;

use crate::harness::{Bed, refusal};

const PEOPLE: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Member,
    Admin,
    Owner,
}

impl Role {
    fn of(role: pb::ChatRole) -> Self {
        match role {
            pb::ChatRole::Owner => Self::Owner,
            pb::ChatRole::Admin => Self::Admin,
            pb::ChatRole::Member => Self::Member,
            pb::ChatRole::Unspecified => panic!("no role"),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Add(usize, usize),
    Remove(usize, usize),
    Ban(usize, usize),
    Unban(usize, usize),
    Leave(usize),
    Promote(usize, usize),
    Demote(usize, usize),
    Transfer(usize, usize),
    Join(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let one = || 0..PEOPLE;
    // The first often acts: at first, only they are in.
    let actor = || prop_oneof![2 => Just(0), 3 => 0..PEOPLE];
    prop_oneof![
        4 => (actor(), one()).prop_map(|(by, who)| Op::Add(by, who)),
        2 => (actor(), one()).prop_map(|(by, who)| Op::Remove(by, who)),
        1 => (actor(), one()).prop_map(|(by, who)| Op::Ban(by, who)),
        1 => (actor(), one()).prop_map(|(by, who)| Op::Unban(by, who)),
        2 => one().prop_map(Op::Leave),
        3 => (actor(), one()).prop_map(|(by, who)| Op::Promote(by, who)),
        1 => (actor(), one()).prop_map(|(by, who)| Op::Demote(by, who)),
        1 => (actor(), one()).prop_map(|(by, who)| Op::Transfer(by, who)),
        3 => one().prop_map(Op::Join),
    ]
}

struct Model {
    members: BTreeMap<usize, Role>,
    banned: BTreeSet<usize>,
    version: u64,
    updates: usize,
}

impl Model {
    fn new() -> Self {
        Self { members: BTreeMap::from([(0, Role::Owner)]), banned: BTreeSet::new(), version: 1, updates: 1 }
    }

    /// The caller's role when it is at least this one.
    fn caller(&self, by: usize, least: Role) -> Result<Role, &'static str> {
        match self.members.get(&by) {
            None => Err("CHAT_NOT_FOUND"),
            Some(role) if *role < least => Err("CHAT_RIGHT_MISSING"),
            Some(role) => Ok(*role),
        }
    }

    /// What the service should answer, having done it; `Ok` and `Err` alike.
    fn apply(&mut self, op: Op) -> Result<(), &'static str> {
        match op {
            Op::Add(by, who) => {
                self.caller(by, Role::Admin)?;
                if !self.members.contains_key(&who) && !self.banned.contains(&who) {
                    self.join(who);
                }
                Ok(())
            }
            Op::Join(who) => {
                if self.members.contains_key(&who) {
                    return Ok(());
                }
                if self.banned.contains(&who) {
                    return Err("INVITE_NOT_FOUND");
                }
                self.join(who);
                Ok(())
            }
            Op::Remove(by, who) => self.put_out(by, who),
            Op::Ban(by, who) => {
                self.put_out(by, who)?;
                self.banned.insert(who);
                Ok(())
            }
            Op::Unban(by, who) => {
                self.caller(by, Role::Admin)?;
                self.banned.remove(&who);
                Ok(())
            }
            Op::Leave(who) => {
                if self.caller(who, Role::Member)? == Role::Owner {
                    return Err("OWNER_CANNOT_LEAVE");
                }
                self.leave(who);
                Ok(())
            }
            Op::Promote(by, who) => self.change(by, who, Role::Admin),
            Op::Demote(by, who) => self.change(by, who, Role::Member),
            Op::Transfer(by, who) => self.transfer(by, who),
        }
    }

    fn join(&mut self, who: usize) {
        self.members.insert(who, Role::Member);
        self.updates += 1;
    }

    fn leave(&mut self, who: usize) {
        self.members.remove(&who);
        self.updates += 1;
        self.version += 1;
    }

    fn put_out(&mut self, by: usize, who: usize) -> Result<(), &'static str> {
        let caller = self.caller(by, Role::Admin)?;
        if by == who {
            return Err("CANNOT_TARGET_SELF");
        }
        match self.members.get(&who) {
            None => {}
            Some(role) if *role >= caller => return Err("MEMBER_PROTECTED"),
            Some(_) => self.leave(who),
        }
        Ok(())
    }

    fn change(&mut self, by: usize, who: usize, role: Role) -> Result<(), &'static str> {
        self.caller(by, Role::Owner)?;
        let before = *self.members.get(&who).ok_or("MEMBER_NOT_FOUND")?;
        if before == Role::Owner {
            return Err("MEMBER_PROTECTED");
        }
        if before != role {
            self.members.insert(who, role);
            self.updates += 1;
            self.version += u64::from(role < before);
        }
        Ok(())
    }

    fn transfer(&mut self, by: usize, who: usize) -> Result<(), &'static str> {
        self.caller(by, Role::Owner)?;
        if by == who {
            return Err("CANNOT_TARGET_SELF");
        }
        if !self.members.contains_key(&who) {
            return Err("MEMBER_NOT_FOUND");
        }
        self.members.extend([(by, Role::Admin), (who, Role::Owner)]);
        self.updates += 1;
        self.version += 1;
        Ok(())
    }
}

struct World<'a> {
    bed: &'a Bed,
    people: Vec<UserId>,
    chat_id: String,
    code: String,
    model: Model,
}

impl<'a> World<'a> {
    async fn new(bed: &'a Bed) -> Self {
        let people: Vec<_> = (0..PEOPLE).map(|_| bed.person()).collect();
        let owner = bed.client(0, people[0]);
        let chat_id = owner.group(&[]).await.id;
        let code = owner.invite(&chat_id, 0, false).await.unwrap().code;
        Self { bed, people, chat_id, code, model: Model::new() }
    }

    async fn ask(&self, number: usize, op: Op) -> Result<(), Status> {
        let client = |who: usize| self.bed.client(number % 2, self.people[who]);
        let (chat, person) = (self.chat_id.as_str(), |who: usize| self.people[who]);
        match op {
            Op::Add(by, who) => client(by).add(chat, &[person(who)]).await.map(drop),
            Op::Remove(by, who) => client(by).remove(chat, person(who)).await,
            Op::Ban(by, who) => client(by).ban(chat, person(who)).await,
            Op::Unban(by, who) => client(by).unban(chat, person(who)).await,
            Op::Leave(who) => client(who).leave(chat).await,
            Op::Promote(by, who) => client(by).role(chat, person(who), pb::ChatRole::Admin).await.map(drop),
            Op::Demote(by, who) => client(by).role(chat, person(who), pb::ChatRole::Member).await.map(drop),
            Op::Transfer(by, who) => client(by).transfer(chat, person(who)).await,
            Op::Join(who) => client(who).join(&self.code).await.map(drop),
        }
    }

    async fn run(&mut self, number: usize, op: Op) {
        let answer = self.ask(number, op).await;
        let expected = self.model.apply(op).err().unwrap_or_default();
        assert_eq!(refusal(&answer), expected, "{op:?}");
        assert_eq!(self.bed.neighbours.version_of(&self.chat_id), self.model.version, "{op:?}");
        assert_eq!(self.bed.neighbours.log_of(&self.chat_id).len(), self.model.updates, "{op:?}");
    }

    /// The members as somebody knows them who has nothing but the log.
    fn replayed(&self) -> (BTreeMap<UserId, Role>, u32) {
        let (mut members, mut count) = (BTreeMap::new(), 0);
        for append in self.bed.neighbours.log_of(&self.chat_id) {
            let update = append.update.unwrap();
            match update.change.unwrap() {
                Change::ChatCreated(created) => {
                    members.extend(created.member_ids.iter().map(|id| (id.parse().unwrap(), Role::Member)));
                    members.insert(update.actor_id.parse().unwrap(), Role::Owner);
                    count = 1;
                }
                Change::MembersAdded(added) => {
                    let roles = added.members.iter().map(|one| (one.user_id.parse().unwrap(), Role::of(one.role())));
                    members.extend(roles);
                    count = added.member_count;
                }
                Change::RolesChanged(changed) => {
                    let roles = changed.members.iter().map(|one| (one.user_id.parse().unwrap(), Role::of(one.role())));
                    members.extend(roles);
                }
                Change::MemberRemoved(removed) => {
                    members.remove(&removed.user_id.parse().unwrap());
                    count = removed.member_count;
                }
                other => panic!("not a change of members: {other:?}"),
            }
        }
        (members, count)
    }

    async fn check(&self) {
        let expected: BTreeMap<_, _> =
            self.model.members.iter().map(|(who, role)| (self.people[*who], *role)).collect();
        assert_eq!(self.agreed().await, expected);
    }

    /// The members, of whom the database and the log tell the same.
    async fn agreed(&self) -> BTreeMap<UserId, Role> {
        let (members, count) = self.replayed();
        let owners: Vec<_> = members.iter().filter(|(_, role)| **role == Role::Owner).map(|(id, _)| *id).collect();
        let [owner] = owners.try_into().unwrap();
        let client = self.bed.client(1, owner);
        let listed = client.members(&self.chat_id).await.unwrap();
        assert_eq!(listed.into_iter().map(|(id, role)| (id, Role::of(role))).collect::<BTreeMap<_, _>>(), members);
        assert_eq!(client.get(&self.chat_id).await.unwrap().member_count, count);
        assert_eq!(count as usize, members.len());
        members
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_agrees_with_a_plain_model_of_it() {
    let bed = Bed::new().await;
    let runtime = tokio::runtime::Handle::current();
    let histories = prop::collection::vec(op(), 1..60);
    let options =
        ProptestConfig { cases: 40, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() };
    tokio::task::block_in_place(|| {
        TestRunner::new(options)
            .run(&histories, |history| {
                runtime.block_on(async {
                    let mut world = World::new(&bed).await;
                    for (number, op) in history.into_iter().enumerate() {
                        world.run(number, op).await;
                    }
                    world.check().await;
                });
                Ok(())
            })
            .unwrap();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_at_once_the_log_tells_what_became_of_it() {
    let bed = Bed::new().await;
    let runtime = tokio::runtime::Handle::current();
    let histories = prop::collection::vec(op(), 40..80);
    let options =
        ProptestConfig { cases: 12, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() };
    tokio::task::block_in_place(|| {
        TestRunner::new(options)
            .run(&histories, |history| {
                runtime.block_on(async {
                    let world = World::new(&bed).await;
                    let asks = history.into_iter().enumerate().map(|(number, op)| world.ask(number, op));
                    let answers: Vec<_> = stream::iter(asks).buffer_unordered(8).collect().await;
                    let failed =
                        answers.iter().map(refusal).find(|why| ["INTERNAL", "CHAT_NOT_READY"].contains(&&**why));
                    assert_eq!(failed, None);
                    world.agreed().await;
                    let banned = "SELECT count(*) FROM members JOIN bans USING (chat_id, user_id)";
                    assert_eq!(bed.number(banned).await, 0, "nobody is in who is banned");
                    assert_eq!(bed.number("SELECT count(*) FROM pending_updates").await, 0);
                });
                Ok(())
            })
            .unwrap();
    });
}
