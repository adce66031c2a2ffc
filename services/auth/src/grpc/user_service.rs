use godwit_contract::auth::v1::user_service_server::UserService;
use godwit_contract::auth::v1::{
    ChangePasswordRequest, ChangePasswordResponse, DeleteMeRequest, DeleteMeResponse, GetMeRequest, GetMeResponse,
    GetPrivacyRequest, GetPrivacyResponse, GetUserByUsernameRequest, GetUserByUsernameResponse, GetUserRequest,
    GetUserResponse, RemoveAvatarRequest, RemoveAvatarResponse, SetAvatarRequest, SetAvatarResponse, UpdateMeRequest,
    UpdateMeResponse, UpdatePrivacyRequest, UpdatePrivacyResponse,
};
use godwit_rpc::{Caller, parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::{Server, encode_user};
use crate::Error;

#[async_trait]
impl UserService for Server {
    async fn get_me(&self, request: Request<GetMeRequest>) -> Result<Response<GetMeResponse>, Status> {
        let caller = Caller::of(&request)?;
        let (user, email) = self.0.get_me(caller.user_id).await.map_err(to_status)?;
        Ok(Response::new(GetMeResponse {
            user: Some(encode_user(&user)),
            email: email.as_str().to_owned(),
            ..GetMeResponse::default()
        }))
    }

    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<GetUserResponse>, Status> {
        Caller::of(&request)?;
        let id = parse_id("user_id", &request.get_ref().user_id).map_err(Error::from).map_err(to_status)?;
        let user = self.0.get_user(id).await.map_err(to_status)?;
        Ok(Response::new(GetUserResponse { user: Some(encode_user(&user)), relationship: None }))
    }

    async fn get_user_by_username(
        &self,
        request: Request<GetUserByUsernameRequest>,
    ) -> Result<Response<GetUserByUsernameResponse>, Status> {
        Caller::of(&request)?;
        let user = self.0.get_user_by_username(&request.get_ref().username).await.map_err(to_status)?;
        Ok(Response::new(GetUserByUsernameResponse { user: Some(encode_user(&user)), relationship: None }))
    }

    async fn update_me(&self, _: Request<UpdateMeRequest>) -> Result<Response<UpdateMeResponse>, Status> {
        Err(Status::unimplemented("update_me"))
    }

    async fn delete_me(&self, _: Request<DeleteMeRequest>) -> Result<Response<DeleteMeResponse>, Status> {
        Err(Status::unimplemented("delete_me"))
    }

    async fn change_password(
        &self,
        _: Request<ChangePasswordRequest>,
    ) -> Result<Response<ChangePasswordResponse>, Status> {
        Err(Status::unimplemented("change_password"))
    }

    async fn set_avatar(&self, _: Request<SetAvatarRequest>) -> Result<Response<SetAvatarResponse>, Status> {
        Err(Status::unimplemented("set_avatar"))
    }

    async fn remove_avatar(&self, _: Request<RemoveAvatarRequest>) -> Result<Response<RemoveAvatarResponse>, Status> {
        Err(Status::unimplemented("remove_avatar"))
    }

    async fn get_privacy(&self, _: Request<GetPrivacyRequest>) -> Result<Response<GetPrivacyResponse>, Status> {
        Err(Status::unimplemented("get_privacy"))
    }

    async fn update_privacy(
        &self,
        _: Request<UpdatePrivacyRequest>,
    ) -> Result<Response<UpdatePrivacyResponse>, Status> {
        Err(Status::unimplemented("update_privacy"))
    }
}
