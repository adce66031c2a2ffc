use godwit_contract::auth::v1::{ResolveUsernamesRequest, UpdateMeRequest};
use godwit_testkit::unique;
use tonic::Code;

use crate::harness::failure;
use crate::people::{Answer, Me, People};

async fn resolve(people: &People, usernames: &[&str]) -> Answer<Vec<(String, String)>> {
    let usernames = usernames.iter().map(|&name| name.to_owned()).collect();
    let answer = people.harness.replica.internal().resolve_usernames(ResolveUsernamesRequest { usernames }).await;
    let users = answer.map_err(failure)?.into_inner().users;
    Ok(users.into_iter().map(|user| (user.username, user.user_id)).collect())
}

fn pair(name: &str, me: &Me) -> (String, String) {
    (name.to_owned(), me.id.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn usernames_resolve_as_they_were_asked_for_and_in_any_case() {
    let people = People::new().await;
    let (ada, bob) = people.pair().await;
    let loud = ada.username.to_ascii_uppercase();
    let found = resolve(&people, &[&loud, &bob.username, &ada.username, &unique("nobody_")]).await.unwrap();
    assert_eq!(found, [pair(&loud, &ada), pair(&bob.username, &bob), pair(&ada.username, &ada)]);
    assert_eq!(resolve(&people, &["", "a", "ä ö", "x'; --", &"a".repeat(10_000)]).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_username_names_whoever_has_it_now() {
    let people = People::new().await;
    let (ada, bob) = people.pair().await;
    let (before, after) = (ada.username.clone(), unique("ada_"));
    ada.update(UpdateMeRequest { username: Some(after.clone()), ..UpdateMeRequest::default() }).await.unwrap();
    assert_eq!(resolve(&people, &[&before, &after]).await.unwrap(), [pair(&after, &ada)]);
    people.delete(bob.id).await;
    assert_eq!(
        resolve(&people, &[&bob.username, &after]).await.unwrap(),
        [pair(&after, &ada)],
        "the deleted have none"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_a_hundred_usernames_resolve_at_once() {
    let people = People::new().await;
    let ada = people.person().await;
    let mut names = vec![ada.username.as_str(); 100];
    assert_eq!(resolve(&people, &names).await.unwrap().len(), 100);
    names.push("ada");
    let refused = resolve(&people, &names).await.unwrap_err();
    assert_eq!((refused.code, refused.fields[0].field.as_str()), (Code::InvalidArgument, "usernames"));
}
