import type { CreateClientConfig } from './client.gen.js';

/**
 * Refuses names that a URL cannot hold, encoded or not: the document `..` would be its collection.
 */
export const createClientConfig: CreateClientConfig = (config) => ({
  ...config,
  baseUrl: config?.baseUrl ?? '',
  requestValidator: async (request) => {
    const { path } = request as { path?: Record<string, unknown> };
    for (const [name, value] of Object.entries(path ?? {})) {
      if (value === '.' || value === '..') throw new TypeError(`${name} cannot be "${value}"`);
    }
  },
});
