/* Events of a running call that docs/openapi.yaml does not describe yet (DESIGN, 9). */

export type WireEvent =
  | { type: 'speaker'; call_id: string; member: string | null }
  | { type: 'quality'; call_id: string; quality: Quality }

/** What the server says of one's own connection. */
export interface Quality {
  mediad: number
  /** 0 to 1, on the way here and from here. */
  loss_in: number
  loss_out: number
  rtt_ms: number | null
}
