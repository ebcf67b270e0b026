-- One row for each scope that was ever written to. Other tables refer to its number, which is never used again.
CREATE TABLE scim_directories (
    number     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection TEXT COLLATE "C" NOT NULL,
    tenant     TEXT COLLATE "C" NOT NULL,
    UNIQUE (connection, tenant)
);

-- Numbers of resources, in the order of their creation.
CREATE SEQUENCE scim_numbers;

-- user_name, external_id and display_name hold folded texts, created and modified microseconds since 1970, members how many
-- members a group has, terms what scim_values holds of the resource. A slot is 0 where the value is unique, so that the key decides who
-- holds it, and the resource's number otherwise.
CREATE TABLE scim_resources (
    number       BIGINT PRIMARY KEY,
    directory    BIGINT  NOT NULL,
    version      BIGINT  NOT NULL,
    created      BIGINT  NOT NULL,
    modified     BIGINT  NOT NULL,
    members      BIGINT  NOT NULL,
    user_slot    BIGINT  NOT NULL,
    display_slot BIGINT  NOT NULL,
    active       BOOLEAN,
    type         TEXT COLLATE "C" NOT NULL,
    id           TEXT COLLATE "C" NOT NULL,
    user_name    TEXT COLLATE "C",
    external_id  TEXT COLLATE "C",
    display_name TEXT COLLATE "C",
    display      TEXT COLLATE "C" NOT NULL,
    terms        TEXT COLLATE "C" NOT NULL,
    document     TEXT COLLATE "C" NOT NULL,
    CONSTRAINT scim_resources_id UNIQUE (id, directory)
);
-- Statistics may not know a directory that has just been filled, and then take it for small: any index that begins with it would seem
-- good enough to find one resource. This one is for lists only, and can be used by no other statement.
CREATE INDEX scim_resources_order ON scim_resources ((directory + 0), type, number) INCLUDE (directory);
CREATE UNIQUE INDEX scim_resources_user_name ON scim_resources (directory, type, user_name, user_slot) WHERE user_name IS NOT NULL;
CREATE UNIQUE INDEX scim_resources_display_name ON scim_resources (directory, type, display_name, display_slot) WHERE display_name IS NOT NULL;
CREATE INDEX scim_resources_external_id ON scim_resources (directory, type, external_id) WHERE external_id IS NOT NULL;

-- Other indexed values: e-mail addresses, attributes that the host chose, and unique ones.
CREATE TABLE scim_values (
    directory BIGINT NOT NULL,
    slot      BIGINT NOT NULL,
    number    BIGINT NOT NULL,
    type      TEXT COLLATE "C" NOT NULL,
    path      TEXT COLLATE "C" NOT NULL,
    value     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (directory, type, path, value, slot) INCLUDE (number)
);

-- Memberships by the numbers of both resources.
CREATE TABLE scim_members (
    holder BIGINT NOT NULL,
    member BIGINT NOT NULL,
    PRIMARY KEY (holder, member)
);
CREATE INDEX scim_members_by_member ON scim_members (member, holder);

-- How many resources of a type there are, by block of numbers: totals, and where to start skipping. Sessions share a row only if
-- their shard is the same, so that writers seldom wait for each other. A change fits into the page that it is on: rows change in
-- place and leave nothing behind.
CREATE TABLE scim_counts (
    directory BIGINT NOT NULL,
    block     BIGINT NOT NULL,
    shard     BIGINT NOT NULL,
    resources BIGINT NOT NULL,
    type      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (directory, type, block, shard)
) WITH (fillfactor = 40);

-- The attributes whose values scim_values holds, chosen when the database is empty.
CREATE TABLE scim_indexed (
    path TEXT COLLATE "C" NOT NULL PRIMARY KEY
);

CREATE TABLE scim_connections (
    number            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    revision          BIGINT NOT NULL,
    created           BIGINT NOT NULL,
    updated           BIGINT NOT NULL,
    strict            BOOLEAN NOT NULL,
    id                TEXT COLLATE "C" NOT NULL UNIQUE,
    tenant            TEXT COLLATE "C" NOT NULL,
    status            TEXT COLLATE "C" NOT NULL,
    identity_provider TEXT COLLATE "C" NOT NULL,
    display_name      TEXT COLLATE "C" NOT NULL,
    policy            TEXT COLLATE "C" NOT NULL
);
CREATE INDEX scim_connections_by_tenant ON scim_connections (tenant, number);
CREATE INDEX scim_connections_deleted ON scim_connections (updated, number) WHERE status = 'deleted';

-- Of a token's text, only the SHA-256 and the last four characters are kept. A time is null where it never comes or has not come.
CREATE TABLE scim_tokens (
    number     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created    BIGINT NOT NULL,
    expires    BIGINT,
    revoked    BIGINT,
    used       BIGINT,
    digest     BYTEA NOT NULL UNIQUE,
    id         TEXT COLLATE "C" NOT NULL UNIQUE,
    connection TEXT COLLATE "C" NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    slot       TEXT COLLATE "C" NOT NULL,
    last_four  TEXT COLLATE "C" NOT NULL
);
CREATE INDEX scim_tokens_by_connection ON scim_tokens (connection, number);
CREATE INDEX scim_tokens_expires ON scim_tokens (expires) WHERE expires IS NOT NULL;
CREATE INDEX scim_tokens_revoked ON scim_tokens (revoked) WHERE revoked IS NOT NULL;

-- What happened on a connection, for people. failed tells a status from 400 on; entry is JSON. There is no index that begins with number:
-- PostgreSQL would read a page with it, past the entries of all other connections, where its statistics are old.
CREATE TABLE scim_journal (
    number     BIGINT GENERATED ALWAYS AS IDENTITY,
    time       BIGINT NOT NULL,
    failed     BOOLEAN NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    entry      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (connection, number)
);
CREATE INDEX scim_journal_failed ON scim_journal (connection, number) WHERE failed;
CREATE INDEX scim_journal_by_time ON scim_journal (time);

-- How attributes become a member's; mapping is JSON.
CREATE TABLE scim_mappings (
    directory BIGINT NOT NULL PRIMARY KEY,
    mapping   TEXT COLLATE "C" NOT NULL
);

-- Which roles the members of a group have.
CREATE TABLE scim_assignments (
    directory BIGINT NOT NULL,
    group_id  TEXT COLLATE "C" NOT NULL,
    role      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (directory, group_id, role)
);

-- Which roles members have, by source; group_id is empty where the source is no group. The other indexes are for lists only, as
-- scim_resources_order, and each for one statement.
CREATE TABLE scim_grants (
    directory BIGINT NOT NULL,
    member    TEXT COLLATE "C" NOT NULL,
    role      TEXT COLLATE "C" NOT NULL,
    source    TEXT COLLATE "C" NOT NULL,
    group_id  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (member, directory, role, source, group_id)
);
CREATE INDEX scim_grants_by_group ON scim_grants ((directory + 0), source, group_id, member);
CREATE INDEX scim_grants_by_source ON scim_grants ((directory + 0), (source || ''), member);

-- Members whose resources were deleted. external_id and user_name hold folded texts.
CREATE TABLE scim_tombstones (
    directory   BIGINT NOT NULL,
    deleted     BIGINT NOT NULL,
    member      TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C" NOT NULL,
    user_name   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (member, directory)
);
CREATE INDEX scim_tombstones_by_external_id ON scim_tombstones (external_id, directory);
CREATE INDEX scim_tombstones_by_user_name ON scim_tombstones (user_name, directory);
CREATE INDEX scim_tombstones_by_directory ON scim_tombstones ((directory + 0));
CREATE INDEX scim_tombstones_by_time ON scim_tombstones (deleted);
