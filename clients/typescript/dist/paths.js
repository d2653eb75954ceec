/**
 * Refuses names that a URL cannot hold, encoded or not: the document `..` would be its collection.
 */
export const createClientConfig = (config) => ({
    ...config,
    baseUrl: config?.baseUrl ?? '',
    requestValidator: async (request) => {
        const { path } = request;
        for (const [name, value] of Object.entries(path ?? {})) {
            if (value === '.' || value === '..')
                throw new TypeError(`${name} cannot be "${value}"`);
        }
    },
});
