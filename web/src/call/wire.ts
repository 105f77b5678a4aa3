/* Events of a running call that docs/openapi.yaml does not describe yet (DESIGN, 9). */

export type WireEvent =
  | { type: 'speaker'; call_id: string; members: string[] }
  | { type: 'quality'; call_id: string; quality: Quality }

/** What the server says of one's own connection. */
export interface Quality {
  mediad?: number
  loss?: number
  rtt_ms?: number
}
