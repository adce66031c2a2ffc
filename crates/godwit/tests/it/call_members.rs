use crate::command::Godwit;

// What it does to a group is tested where one runs: `tests/e2e/tests/it/calls`.

#[tokio::test]
async fn a_member_without_an_address_is_refused() {
    for member in ["2", "two=http://127.0.0.1:1"] {
        let said = Godwit::alone().run(&["call-members", "--to=http://127.0.0.1:1", member]).await;
        assert_eq!(said.code, Some(2), "{}", said.stderr);
        assert!(said.stderr.contains(member), "{}", said.stderr);
    }
    let said = Godwit::alone().run(&["call-members", "--to=http://127.0.0.1:1", "2=call-1:9090"]).await;
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("replica 2"), "{}", said.stderr);
}

#[tokio::test]
async fn it_says_when_nobody_answers_and_whom_it_needs() {
    let said = Godwit::alone().run(&["call-members", "--to=http://127.0.0.1:1"]).await;
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("the members cannot be told: UNAVAILABLE"), "{}", said.stderr);
    let said = Godwit::alone().run(&["call-members"]).await;
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("GODWIT_CALL_MEMBERS_TO"), "{}", said.stderr);
}
