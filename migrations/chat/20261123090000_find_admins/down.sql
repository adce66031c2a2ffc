DROP INDEX members_admins;
