package otlp

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
	protobuf "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"holdfast"
	"holdfast/internal/intake"
)

// exporter is LogsService, as grpc wants to be told of it.
type exporter interface {
	export(ctx context.Context, in *logs.LogsData) (*emptypb.Empty, error)
}

// rpc is the gRPC server, which is asked over the HTTP server's own listener.
// The service is described by hand: the generated package brings a gateway and
// its modules along.
func (h *handler) rpc() http.Handler {
	encoding.RegisterCompressor(encoding.GetCompressor(gzip.Name)) // importing it registers it: this says that it is wanted
	for _, p := range packings() {
		encoding.RegisterCompressor(p)
	}
	s := grpc.NewServer(grpc.MaxRecvMsgSize(maxRequest), grpc.ForceServerCodecV2(codec{encoding.GetCodecV2(protobuf.Name)}))
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "opentelemetry.proto.collector.logs.v1.LogsService",
		HandlerType: (*exporter)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Export",
			Handler: func(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				in := new(logs.LogsData)
				if err := decode(in); err != nil {
					return nil, err
				}
				return srv.(exporter).export(ctx, in)
			},
		}},
		Metadata: "opentelemetry/proto/collector/logs/v1/logs_service.proto",
	}, h)
	return s
}

// export takes one request.
func (h *handler) export(ctx context.Context, in *logs.LogsData) (*emptypb.Empty, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	visit, err := h.gate.EnterWith(ctx, strings.Join(md.Get("authorization"), ""))
	switch {
	case errors.Is(err, holdfast.ErrForbidden):
		return nil, status.Error(codes.PermissionDenied, "this token may not send events")
	case errors.Is(err, intake.ErrBusy):
		_, st := failure(&intake.Later{Why: err.Error(), In: time.Second})
		return nil, status.FromProto(st).Err()
	case err != nil:
		return nil, status.Error(codes.Unauthenticated, intake.Told(err, "send a token in the header authorization: Bearer …"))
	}
	defer visit.Leave()
	out, err := h.take(ctx, visit, in)
	if err != nil {
		_, st := failure(err)
		return nil, status.FromProto(st).Err()
	}
	answer := new(emptypb.Empty)
	answer.ProtoReflect().SetUnknown(out.wire()) // bytes are bytes to the one who reads them
	return answer, nil
}

// failure is how an error of Put is answered: in both protocols so that the
// sender tries again, and not before it makes sense.
func failure(err error) (httpStatus int, st *statuspb.Status) {
	httpStatus, st = http.StatusServiceUnavailable, &statuspb.Status{Code: int32(codes.Unavailable), Message: intake.Said(err)}
	switch {
	case errors.Is(err, holdfast.ErrTooLarge):
		return http.StatusRequestEntityTooLarge, &statuspb.Status{Code: int32(codes.InvalidArgument), Message: err.Error() + "; send smaller batches"}
	case errors.Is(err, holdfast.ErrFull):
		httpStatus, st.Code = http.StatusTooManyRequests, int32(codes.ResourceExhausted)
	}
	wait := time.Duration(intake.RetryAfter(err)) * time.Second
	if detail, err := anypb.New(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)}); err == nil {
		st.Details = append(st.Details, detail)
	}
	return httpStatus, st
}
