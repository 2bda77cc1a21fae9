import { Button, Loader, Tooltip, type ButtonProps } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import type { UseQueryResult } from '@tanstack/react-query';
import { useEffect, type ReactNode } from 'react';

import { useDenied } from '../api/hooks';

/** A page: its title, what can be done on it, and its content. */
export function Page({ title, say, tools, children }: { title: string; say?: ReactNode; tools?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Holdfast`;
  }, [title]);
  return (
    <>
      <header className="page">
        <div>
          <h1>{title}</h1>
          {say && <div className="say">{say}</div>}
        </div>
        <div className="tools">{tools}</div>
      </header>
      {children}
    </>
  );
}

export function Panel({ title, tools, children, id, tight }: { title?: ReactNode; tools?: ReactNode; children: ReactNode; id?: string; tight?: boolean }) {
  return (
    <section className={tight ? 'panel tight' : 'panel'} id={id}>
      {(title ?? tools) && (
        <div className="panel-head">
          <h2>{title}</h2>
          <div className="tools">{tools}</div>
        </div>
      )}
      <div className="panel-body">{children}</div>
    </section>
  );
}

/** Waits for what is read; says what went wrong and how to go on. */
export function Loaded<T>({ of, children }: { of: UseQueryResult<T>; children: (data: T) => ReactNode }) {
  if (of.data !== undefined) {
    return (
      <>
        {of.isError && <Trouble error={of.error} again={() => void of.refetch()} stale />}
        {children(of.data)}
      </>
    );
  }
  if (of.isError) return <Trouble error={of.error} again={() => void of.refetch()} />;
  return (
    <div className="loading" role="status">
      <Loader size="sm" /> Reading…
    </div>
  );
}

export function Trouble({ error, again, stale }: { error: Error; again?: () => void; stale?: boolean }) {
  return (
    <div className="trouble" role="alert">
      <IconAlertTriangle size={16} aria-hidden />
      <span>
        {stale && 'What stands here is old. '}
        {error.message}
      </span>
      {again && (
        <Button size="compact-xs" variant="default" onClick={again}>
          Try again
        </Button>
      )}
    </div>
  );
}

export function Empty({ children }: { children: ReactNode }) {
  return <p className="empty"><span>{children}</span></p>;
}

/** A button for an effect: disabled with the reason for who may not. */
export function Do({ effect, why, ...rest }: ButtonProps & { effect: string; why?: string | undefined; onClick: () => void; children: ReactNode }) {
  const denied = useDenied(effect) ?? why;
  const button = <Button size="compact-sm" {...rest} {...(denied ? { 'data-disabled': true, 'aria-disabled': true, onClick: () => undefined } : {})} />;
  return denied ? (
    <Tooltip label={denied} multiline maw={320} events={{ hover: true, focus: true, touch: true }}>
      {button}
    </Tooltip>
  ) : (
    button
  );
}
