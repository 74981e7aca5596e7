import type { Client } from 'pg';

/** What a Postgres source or sink takes beside its config. */
export interface PostgresOptions {
  /**
   * Gives the password, for tokens that rotate (AWS RDS IAM, Azure AD). Called for every connection, before it is made; wins
   * over the config's. When it rejects, opening fails and is tried again.
   */
  readonly password?: () => string | Promise<string>;
  /**
   * Called with each connected client of `pg` before it is used: the way to whatever has no config field. The connector closes
   * the client.
   */
  readonly onClient?: (client: Client) => void;
}
