import type { CreateClientConfig } from './client.gen.js';
/**
 * Refuses names that a URL cannot hold, encoded or not: the document `..` would be its collection.
 */
export declare const createClientConfig: CreateClientConfig;
