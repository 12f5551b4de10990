-- The logins of local/compose.yaml, on an empty data directory: one that migrates, one for requests, one for jobs. The migration finds the roles made.
create extension vector;
create role soma_owner nologin noinherit;
create role soma_app nologin noinherit;
create role soma_worker nologin noinherit;
create role soma_migrator login createrole password 'local';
grant soma_owner, soma_app, soma_worker to soma_migrator with admin option;
alter database somamemory owner to soma_migrator;
alter schema public owner to soma_migrator;
create role soma_requests login noinherit password 'local' in role soma_app;
create role soma_jobs login noinherit password 'local' in role soma_worker;
