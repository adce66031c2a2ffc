use std::path::Path;

use godwit_auth::access::{ACCESS, Action, Refusal, Relation, Rule, access, access_of_rpc, markdown};
use godwit_contract::auth::v1::{
    AccessAction, AccessPair, Audience, CheckAccessRequest, CheckAccessResponse, PrivacySettings,
};
use godwit_contract::rest::REST_ROUTES;
use godwit_contract::rpcs::RPCS;
use godwit_kernel::{SystemClock, SystemEntropy, UserId};
use tonic::Code;

use crate::harness::failure;
use crate::people::{Answer, People};

/// Set to write the file anew instead of comparing it.
const UPDATE: &str = "GODWIT_UPDATE_DOCS";

#[test]
fn the_documentation_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ACCESS.md");
    let wanted = markdown();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/ACCESS.md is out of date: {UPDATE}=1 cargo test -p godwit-auth --test it access");
}

#[test]
fn every_rpc_of_clients_is_in_the_table_and_nothing_else() {
    let accounts = REST_ROUTES.iter().filter(|route| route.service.starts_with("godwit.auth.v1."));
    let rpcs: Vec<&str> = accounts.clone().map(|route| route.rpc).collect();
    for route in accounts {
        let row = access_of_rpc(route.rpc).unwrap_or_else(|| panic!("{} is not in the access table", route.rpc));
        let anonymous = row.rule(Relation::Anonymous);
        assert_eq!(anonymous == Rule::Allow, route.is_open, "{} is open or not, as the contract says", route.rpc);
    }
    // Whatever a service of clients has over gRPC has a route, so nothing is reachable beside the table.
    let services = ["godwit.auth.v1.AuthService", "godwit.auth.v1.UserService", "godwit.auth.v1.RelationshipService"];
    for rpc in RPCS.iter().filter(|rpc| services.contains(&rpc.service)) {
        assert!(rpcs.contains(&rpc.method), "{}", rpc.path);
    }
    let beside =
        [Action::Message, Action::Call, Action::SeePresence, Action::SeeAvatar, Action::SeeBio, Action::NameInForward];
    assert_eq!(ACCESS.len(), rpcs.len() + beside.len());
}

async fn check(people: &People, action: i32, pairs: Vec<AccessPair>) -> Answer<CheckAccessResponse> {
    let request = CheckAccessRequest { action, pairs };
    let answer = people.harness.replica.internal().check_access(request).await;
    answer.map(tonic::Response::into_inner).map_err(failure)
}

fn pair(actor: UserId, target: UserId) -> AccessPair {
    AccessPair { actor_id: actor.to_string(), target_id: target.to_string() }
}

const ACTIONS: [(AccessAction, Action); 5] = [
    (AccessAction::Message, Action::Message),
    (AccessAction::Call, Action::Call),
    (AccessAction::SeePresence, Action::SeePresence),
    (AccessAction::SeeAvatar, Action::SeeAvatar),
    (AccessAction::NameInForward, Action::NameInForward),
];

#[tokio::test(flavor = "multi_thread")]
async fn services_are_answered_as_the_table_says() {
    let people = People::new().await;
    let (ada, friend) = people.friends().await;
    let (stranger, blocked, blocker) = (people.person().await, people.person().await, people.person().await);
    ada.block(blocked.id).await.unwrap();
    blocker.block(ada.id).await.unwrap();
    let deleted = people.person().await;
    people.delete(deleted.id).await;
    let unknown = UserId::generate(&SystemClock, &SystemEntropy);
    let asked = [
        (pair(ada.id, ada.id), Relation::Itself),
        (pair(friend.id, ada.id), Relation::Friend),
        (pair(stranger.id, ada.id), Relation::Stranger),
        (pair(blocked.id, ada.id), Relation::Blocked),
        (pair(blocker.id, ada.id), Relation::Blocked),
        (pair(ada.id, deleted.id), Relation::Deleted),
        (pair(ada.id, unknown), Relation::Deleted),
        (pair(deleted.id, ada.id), Relation::Deleted),
        (pair(unknown, ada.id), Relation::Deleted),
        (pair(unknown, unknown), Relation::Deleted),
    ];
    for audience in [Audience::Everyone, Audience::Friends, Audience::Nobody] {
        for (action, row) in ACTIONS {
            // The setting of this action alone, so that one that asks another's is found out.
            let (open, set) = (Audience::Everyone.into(), audience.into());
            let of = |other| if action == other { set } else { open };
            let privacy = PrivacySettings {
                last_seen: of(AccessAction::SeePresence),
                avatar: of(AccessAction::SeeAvatar),
                messages: of(AccessAction::Message),
                calls: of(AccessAction::Call),
                forwards: of(AccessAction::NameInForward),
            };
            ada.set_privacy(privacy).await.unwrap();
            let pairs = asked.iter().map(|(pair, _)| pair.clone()).collect();
            let answers = check(&people, action.into(), pairs).await.unwrap().answers;
            assert_eq!(answers.len(), asked.len());
            for ((_, relation), answer) in asked.iter().zip(answers) {
                let is_let_in = match relation {
                    Relation::Friend => audience != Audience::Nobody,
                    _ => audience == Audience::Everyone,
                };
                let expected = match access(row).unwrap().rule(*relation) {
                    Rule::Allow => "",
                    Rule::ByPrivacy(_) if is_let_in => "",
                    Rule::ByPrivacy(_) => Refusal::Privacy.reason(),
                    Rule::Refuse(refusal) => refusal.reason(),
                    Rule::NotNamed => panic!("{row:?} is about somebody"),
                };
                let found = (answer.is_allowed, answer.reason.as_str());
                assert_eq!(found, (expected.is_empty(), expected), "{row:?} {relation:?} {audience:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_known_to_services_when_the_call_returns() {
    let people = People::new().await;
    let (ada, bob) = people.friends().await;
    for _ in 0..5 {
        ada.block(bob.id).await.unwrap();
        for (action, _) in ACTIONS {
            let pairs = vec![pair(ada.id, bob.id), pair(bob.id, ada.id)];
            let answers = check(&people, action.into(), pairs).await.unwrap().answers;
            assert!(answers.iter().all(|answer| !answer.is_allowed && answer.reason == "BLOCKED"), "{action:?}");
        }
        ada.unblock(bob.id).await.unwrap();
        let answers = check(&people, AccessAction::Message.into(), vec![pair(bob.id, ada.id)]).await.unwrap().answers;
        assert!(answers[0].is_allowed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_checked_is_refused() {
    let people = People::new().await;
    let id = UserId::generate(&SystemClock, &SystemEntropy);
    for (action, pairs, field) in [
        (0, vec![], "action"),
        (9, vec![], "action"),
        (1, vec![pair(id, id); 201], "pairs"),
        (1, vec![AccessPair { actor_id: "x".to_owned(), ..pair(id, id) }], "pairs.actor_id"),
        (1, vec![AccessPair { target_id: String::new(), ..pair(id, id) }], "pairs.target_id"),
    ] {
        let refused = check(&people, action, pairs).await.unwrap_err();
        assert_eq!((refused.code, refused.fields[0].field.as_str()), (Code::InvalidArgument, field));
    }
    assert_eq!(check(&people, 1, vec![]).await.unwrap().answers, []);
    assert_eq!(check(&people, 1, vec![pair(id, id); 200]).await.unwrap().answers.len(), 200);
}
