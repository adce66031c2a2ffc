//! All accounts in pages, for whoever keeps an index of them.

use godwit_contract::auth::v1::ListUserIdsRequest;
use godwit_contract::auth::v1::directory_internal_service_client::DirectoryInternalServiceClient;
use godwit_kernel::UserId;
use godwit_rpc::Failure;
use tonic::Code;

use crate::people::People;

#[tokio::test(flavor = "multi_thread")]
async fn every_account_that_is_not_deleted_is_listed_once_in_pages() {
    let world = People::new().await;
    let mut expected = Vec::new();
    for _ in 0..7 {
        expected.push(world.person().await.id);
    }
    for gone in [expected.remove(5), expected.remove(0)] {
        world.delete(gone).await;
    }
    expected.sort_unstable();
    let mut client = DirectoryInternalServiceClient::new(world.harness.replica.channel());
    let (mut listed, mut after_user_id, mut pages) = (Vec::new(), String::new(), Vec::new());
    loop {
        let request = ListUserIdsRequest { after_user_id, limit: 2 };
        let page = client.list_user_ids(request).await.unwrap().into_inner();
        pages.push(page.user_ids.len());
        listed.extend(page.user_ids.iter().map(|id| id.parse::<UserId>().unwrap()));
        after_user_id = page.user_ids.last().unwrap().clone();
        if !page.has_more {
            break;
        }
    }
    assert_eq!((listed, pages), (expected, vec![2, 2, 1]));
    let behind = client.list_user_ids(ListUserIdsRequest { after_user_id, limit: 0 }).await.unwrap().into_inner();
    assert!(behind.user_ids.is_empty() && !behind.has_more);
    let nobody = ListUserIdsRequest { after_user_id: "nobody".to_owned(), limit: 0 };
    let refused = Failure::from_status(&client.list_user_ids(nobody).await.unwrap_err());
    assert_eq!((refused.code, refused.fields[0].field.as_str()), (Code::InvalidArgument, "after_user_id"));
}
