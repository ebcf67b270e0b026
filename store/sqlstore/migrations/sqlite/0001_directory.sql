-- One row for each scope that was ever written to. Other tables refer to its number, which is never used again.
CREATE TABLE scim_directories (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    connection TEXT NOT NULL,
    tenant     TEXT NOT NULL,
    UNIQUE (connection, tenant)
);

-- Resources in the order of their creation. user_name, external_id and display_name hold folded texts, created and modified
-- microseconds since 1970, members how many members a group has, terms what scim_values holds of the resource. A slot is 0 where the
-- value is unique, so that the key decides who holds it, and the resource's number otherwise.
CREATE TABLE scim_resources (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    directory    INTEGER NOT NULL,
    type         TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    created      INTEGER NOT NULL,
    modified     INTEGER NOT NULL,
    members      INTEGER NOT NULL,
    user_slot    INTEGER NOT NULL,
    display_slot INTEGER NOT NULL,
    user_name    TEXT,
    external_id  TEXT,
    display_name TEXT,
    active       INTEGER,
    display      TEXT    NOT NULL,
    terms        TEXT    NOT NULL,
    document     TEXT    NOT NULL,
    UNIQUE (directory, id)
);
CREATE INDEX scim_resources_order ON scim_resources (directory, type, number);
CREATE UNIQUE INDEX scim_resources_user_name ON scim_resources (directory, type, user_name, user_slot) WHERE user_name IS NOT NULL;
CREATE UNIQUE INDEX scim_resources_display_name ON scim_resources (directory, type, display_name, display_slot) WHERE display_name IS NOT NULL;
CREATE INDEX scim_resources_external_id ON scim_resources (directory, type, external_id) WHERE external_id IS NOT NULL;

-- Other indexed values: e-mail addresses, attributes that the host chose, and unique ones.
CREATE TABLE scim_values (
    directory INTEGER NOT NULL,
    type      TEXT    NOT NULL,
    path      TEXT    NOT NULL,
    value     TEXT    NOT NULL,
    slot      INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    PRIMARY KEY (directory, type, path, value, slot)
) WITHOUT ROWID;

-- Memberships by the numbers of both resources.
CREATE TABLE scim_members (
    holder INTEGER NOT NULL,
    member INTEGER NOT NULL,
    PRIMARY KEY (holder, member)
) WITHOUT ROWID;
CREATE INDEX scim_members_by_member ON scim_members (member, holder);

-- How many resources of a type there are, by block of numbers: totals, and where to start skipping.
CREATE TABLE scim_counts (
    directory INTEGER NOT NULL,
    type      TEXT    NOT NULL,
    block     INTEGER NOT NULL,
    resources INTEGER NOT NULL,
    PRIMARY KEY (directory, type, block)
) WITHOUT ROWID;

-- The attributes whose values scim_values holds, chosen when the database is empty.
CREATE TABLE scim_indexed (
    path TEXT NOT NULL PRIMARY KEY
);

CREATE TABLE scim_connections (
    number            INTEGER PRIMARY KEY AUTOINCREMENT,
    revision          INTEGER NOT NULL,
    created           INTEGER NOT NULL,
    updated           INTEGER NOT NULL,
    strict            INTEGER NOT NULL,
    id                TEXT NOT NULL UNIQUE,
    tenant            TEXT NOT NULL,
    status            TEXT NOT NULL,
    identity_provider TEXT NOT NULL,
    display_name      TEXT NOT NULL,
    policy            TEXT NOT NULL
);
CREATE INDEX scim_connections_by_tenant ON scim_connections (tenant, number);
CREATE INDEX scim_connections_deleted ON scim_connections (updated, number) WHERE status = 'deleted';

-- Of a token's text, only the SHA-256 and the last four characters are kept. A time is null where it never comes or has not come.
CREATE TABLE scim_tokens (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    created    INTEGER NOT NULL,
    expires    INTEGER,
    revoked    INTEGER,
    used       INTEGER,
    digest     BLOB NOT NULL UNIQUE,
    id         TEXT NOT NULL UNIQUE,
    connection TEXT NOT NULL,
    name       TEXT NOT NULL,
    slot       TEXT NOT NULL,
    last_four  TEXT NOT NULL
);
CREATE INDEX scim_tokens_by_connection ON scim_tokens (connection, number);
CREATE INDEX scim_tokens_expires ON scim_tokens (expires) WHERE expires IS NOT NULL;
CREATE INDEX scim_tokens_revoked ON scim_tokens (revoked) WHERE revoked IS NOT NULL;

-- What happened on a connection, for people. failed tells a status from 400 on; entry is JSON.
CREATE TABLE scim_journal (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    time       INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    connection TEXT NOT NULL,
    entry      TEXT NOT NULL
);
CREATE INDEX scim_journal_by_connection ON scim_journal (connection, number);
CREATE INDEX scim_journal_failed ON scim_journal (connection, number) WHERE failed;
CREATE INDEX scim_journal_by_time ON scim_journal (time);

-- How attributes become a member's; mapping is JSON.
CREATE TABLE scim_mappings (
    directory INTEGER NOT NULL PRIMARY KEY,
    mapping   TEXT NOT NULL
);

-- Which roles the members of a group have.
CREATE TABLE scim_assignments (
    directory INTEGER NOT NULL,
    group_id  TEXT NOT NULL,
    role      TEXT NOT NULL,
    PRIMARY KEY (directory, group_id, role)
) WITHOUT ROWID;

-- Which roles members have, by source; group_id is empty where the source is no group.
CREATE TABLE scim_grants (
    directory INTEGER NOT NULL,
    member    TEXT NOT NULL,
    role      TEXT NOT NULL,
    source    TEXT NOT NULL,
    group_id  TEXT NOT NULL,
    PRIMARY KEY (member, directory, role, source, group_id)
) WITHOUT ROWID;
CREATE INDEX scim_grants_by_group ON scim_grants (directory, source, group_id, member);
CREATE INDEX scim_grants_by_source ON scim_grants (directory, source, member);

-- Members whose resources were deleted. external_id and user_name hold folded texts.
CREATE TABLE scim_tombstones (
    directory   INTEGER NOT NULL,
    deleted     INTEGER NOT NULL,
    member      TEXT NOT NULL,
    external_id TEXT NOT NULL,
    user_name   TEXT NOT NULL,
    PRIMARY KEY (member, directory)
) WITHOUT ROWID;
CREATE INDEX scim_tombstones_by_external_id ON scim_tombstones (external_id, directory);
CREATE INDEX scim_tombstones_by_user_name ON scim_tombstones (user_name, directory);
CREATE INDEX scim_tombstones_by_directory ON scim_tombstones (directory);
CREATE INDEX scim_tombstones_by_time ON scim_tombstones (deleted);
