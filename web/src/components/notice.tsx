import type { ComponentChildren } from 'preact'
import type { Permission, Problem } from '../api/types.ts'
import { permits, useSession } from '../session.ts'
import { texts } from '../texts.ts'

export type NoticeKind = 'problem' | 'warning' | 'info' | 'success'

/** A message in the place that it is about; problems are announced to screen readers immediately. */
export function Notice({ kind, title, children }: { kind: NoticeKind; title?: string; children?: ComponentChildren }) {
  return (
    <div class={`notice notice-${kind}`} role={kind === 'problem' ? 'alert' : 'status'}>
      {title && <p class="notice-title">{title}</p>}
      {children}
    </div>
  )
}

/** What the service refused, in its own words, with what to do. */
export function ProblemNotice({ problem, onRetry }: { problem: Problem; onRetry?: () => void }) {
  const permission = problem.code === 'permission_denied' ? String(problem.permission ?? '') : ''
  return (
    <Notice kind="problem" title={texts.errors.withCode(problem.title, problem.code)}>
      <p>{texts.permissions[permission] ?? problem.detail}</p>
      {onRetry && (
        <button type="button" onClick={onRetry}>
          {texts.retry}
        </button>
      )}
    </Notice>
  )
}

/** What is missing, in the place of what it would permit. */
export function MissingPermission({ permission }: { permission: Permission }) {
  return (
    <Notice kind="warning">
      <p>{texts.permissions[permission]}</p>
    </Notice>
  )
}

/** The content, or in its place what is missing for it. */
export function Permitted({ permission, children }: { permission: Permission; children: ComponentChildren }) {
  const { session } = useSession()
  return permits(session, permission) ? children : <MissingPermission permission={permission} />
}
