package store

import "context"

type hooksKey struct{}

type hooks struct {
	after     []func()
	committed bool
}

// InTx runs f in a transaction of t, and afterwards, if it committed, what f registered through AfterCommit.
func InTx(ctx context.Context, t Transactor, f func(ctx context.Context) error) error {
	if ctx.Value(hooksKey{}) != nil {
		return t.InTx(ctx, f)
	}
	var h *hooks
	err := t.InTx(ctx, func(ctx context.Context) error {
		h = new(hooks) // what an attempt registered that did not commit must not run
		return f(context.WithValue(ctx, hooksKey{}, h))
	})
	if err != nil {
		return err
	}
	h.committed = true
	for _, f := range h.after {
		f()
	}
	return nil
}

// AfterCommit runs f after the transaction in ctx has committed, in the order of registration; never, if it is rolled back;
// at once, if ctx carries none or it has committed already. What leaves the process goes here: the transaction may run more than once, and may fail.
func AfterCommit(ctx context.Context, f func()) {
	if h, ok := ctx.Value(hooksKey{}).(*hooks); ok && !h.committed {
		h.after = append(h.after, f)
		return
	}
	f()
}
