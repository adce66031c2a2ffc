use godwit_contract::auth::v1::user_service_server::UserService;
use godwit_contract::auth::v1::{
    self as api, ChangePasswordRequest, ChangePasswordResponse, DeleteMeRequest, DeleteMeResponse, GetMeRequest,
    GetMeResponse, GetPrivacyRequest, GetPrivacyResponse, GetUserByUsernameRequest, GetUserByUsernameResponse,
    GetUserRequest, GetUserResponse, PrivacySettings, RemoveAvatarRequest, RemoveAvatarResponse, SetAvatarRequest,
    SetAvatarResponse, UpdateMeRequest, UpdateMeResponse, UpdatePrivacyRequest, UpdatePrivacyResponse,
};
use godwit_rpc::{Caller, InvalidField, parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::{Server, address_of, encode_relationship, encode_user};
use crate::app::ProfileForm;
use crate::domain::{Audience, Privacy, PrivacyChanges};

#[async_trait]
impl UserService for Server {
    async fn get_me(&self, request: Request<GetMeRequest>) -> Result<Response<GetMeResponse>, Status> {
        let caller = Caller::of(&request)?;
        let account = self.0.get_me(caller.user_id).await.map_err(to_status)?;
        Ok(Response::new(GetMeResponse {
            user: Some(encode_user(&account.user)),
            email: account.email.as_str().to_owned(),
            two_factor_enabled: account.has_second_factor,
            recovery_codes_left: u32::try_from(account.recovery_code_count).unwrap_or(u32::MAX),
        }))
    }

    async fn update_me(&self, request: Request<UpdateMeRequest>) -> Result<Response<UpdateMeResponse>, Status> {
        let caller = Caller::of(&request)?;
        let UpdateMeRequest { display_name, bio, username } = request.into_inner();
        let form = ProfileForm { display_name, bio, username };
        let user = self.0.update_me(caller.user_id, form).await.map_err(to_status)?;
        Ok(Response::new(UpdateMeResponse { user: Some(encode_user(&user)) }))
    }

    async fn delete_me(&self, request: Request<DeleteMeRequest>) -> Result<Response<DeleteMeResponse>, Status> {
        let (caller, address) = (Caller::of(&request)?, address_of(&request));
        let password = request.into_inner().password;
        self.0.delete_me(caller.user_id, password, address).await.map_err(to_status)?;
        Ok(Response::new(DeleteMeResponse {}))
    }

    async fn change_password(
        &self,
        request: Request<ChangePasswordRequest>,
    ) -> Result<Response<ChangePasswordResponse>, Status> {
        let (caller, address) = (Caller::of(&request)?, address_of(&request));
        let ChangePasswordRequest { current_password, new_password } = request.into_inner();
        self.0.change_password(caller, current_password, new_password, address).await.map_err(to_status)?;
        Ok(Response::new(ChangePasswordResponse {}))
    }

    async fn set_avatar(&self, request: Request<SetAvatarRequest>) -> Result<Response<SetAvatarResponse>, Status> {
        let caller = Caller::of(&request)?;
        let media_id = parse_id("media_id", &request.get_ref().media_id).map_err(to_status)?;
        let user = self.0.set_avatar(caller.user_id, Some(media_id)).await.map_err(to_status)?;
        Ok(Response::new(SetAvatarResponse { user: Some(encode_user(&user)) }))
    }

    async fn remove_avatar(
        &self,
        request: Request<RemoveAvatarRequest>,
    ) -> Result<Response<RemoveAvatarResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.0.set_avatar(caller.user_id, None).await.map_err(to_status)?;
        Ok(Response::new(RemoveAvatarResponse {}))
    }

    async fn get_privacy(&self, request: Request<GetPrivacyRequest>) -> Result<Response<GetPrivacyResponse>, Status> {
        let caller = Caller::of(&request)?;
        let privacy = self.0.get_privacy(caller.user_id).await.map_err(to_status)?;
        Ok(Response::new(GetPrivacyResponse { privacy: Some(encode_privacy(&privacy)) }))
    }

    async fn update_privacy(
        &self,
        request: Request<UpdatePrivacyRequest>,
    ) -> Result<Response<UpdatePrivacyResponse>, Status> {
        let caller = Caller::of(&request)?;
        let changes = decode_changes(&request.into_inner().privacy.unwrap_or_default()).map_err(to_status)?;
        let privacy = self.0.update_privacy(caller.user_id, changes).await.map_err(to_status)?;
        Ok(Response::new(UpdatePrivacyResponse { privacy: Some(encode_privacy(&privacy)) }))
    }

    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<GetUserResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_id("user_id", &request.get_ref().user_id).map_err(to_status)?;
        let view = self.0.get_user(caller.user_id, id).await.map_err(to_status)?;
        Ok(Response::new(GetUserResponse {
            user: Some(encode_user(&view.user)),
            relationship: Some(encode_relationship(&view.relationship, view.side)),
        }))
    }

    async fn get_user_by_username(
        &self,
        request: Request<GetUserByUsernameRequest>,
    ) -> Result<Response<GetUserByUsernameResponse>, Status> {
        let caller = Caller::of(&request)?;
        let name = &request.get_ref().username;
        let view = self.0.get_user_by_username(caller.user_id, name).await.map_err(to_status)?;
        Ok(Response::new(GetUserByUsernameResponse {
            user: Some(encode_user(&view.user)),
            relationship: Some(encode_relationship(&view.relationship, view.side)),
        }))
    }
}

fn encode_privacy(privacy: &Privacy) -> PrivacySettings {
    let encode = |audience| match audience {
        Audience::Everyone => api::Audience::Everyone.into(),
        Audience::Friends => api::Audience::Friends.into(),
        Audience::Nobody => api::Audience::Nobody.into(),
    };
    PrivacySettings {
        last_seen: encode(privacy.last_seen),
        avatar: encode(privacy.avatar),
        messages: encode(privacy.messages),
        calls: encode(privacy.calls),
        forwards: encode(privacy.forwards),
    }
}

fn decode_changes(settings: &PrivacySettings) -> Result<PrivacyChanges, InvalidField> {
    let decode = |field, number: i32| match api::Audience::try_from(number) {
        Ok(api::Audience::Unspecified) => Ok(None),
        Ok(api::Audience::Everyone) => Ok(Some(Audience::Everyone)),
        Ok(api::Audience::Friends) => Ok(Some(Audience::Friends)),
        Ok(api::Audience::Nobody) => Ok(Some(Audience::Nobody)),
        Err(_) => Err(InvalidField::new(field, "is not an audience")),
    };
    Ok(PrivacyChanges {
        last_seen: decode("privacy.last_seen", settings.last_seen)?,
        avatar: decode("privacy.avatar", settings.avatar)?,
        messages: decode("privacy.messages", settings.messages)?,
        calls: decode("privacy.calls", settings.calls)?,
        forwards: decode("privacy.forwards", settings.forwards)?,
    })
}
