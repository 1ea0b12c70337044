// Where every task finds its metadata and credentials: ECS's address (ECS_CONTAINER_METADATA_URI_V4), and
// the port on which our own socket listens there, so that 80 is left to the task.

export const ENDPOINT = { address: '169.254.170.2', port: 80, ownPort: 51679 } as const
